-- Up to $1 events that are to be delivered, oldest first. Index: event_inbox's key (ids are made in order of time).
SELECT e.id, e.key, e.scope, e.priority, e.payload, e.metadata::text AS metadata, i.started
FROM (SELECT event_id, started FROM plait.event_inbox ORDER BY event_id LIMIT $1) i
JOIN plait.event e ON e.id = i.event_id
ORDER BY e.id
