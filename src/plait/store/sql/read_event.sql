-- The event $1. Index: event's key.
SELECT e.id, e.key, e.scope, e.priority, e.payload, e.metadata::text AS metadata, e.created_at, e.position
FROM plait.event e WHERE e.id = $1
