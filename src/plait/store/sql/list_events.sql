-- A page of at most $6 events, newest first, with ids below $1: keys $2, scopes $3, since $4, until $5.
-- Index: event's key, backwards; a filter that few events pass reads all of them.
SELECT e.id, e.key, e.scope, e.priority, e.payload, e.metadata::text AS metadata, e.created_at, e.position
FROM plait.event e
WHERE e.id < $1::uuid
  AND ($2::text[] IS NULL OR e.key = ANY ($2))
  AND ($3::text[] IS NULL OR e.scope = ANY ($3))
  AND ($4::timestamptz IS NULL OR e.created_at >= $4)
  AND ($5::timestamptz IS NULL OR e.created_at < $5)
ORDER BY e.id DESC
LIMIT $6
