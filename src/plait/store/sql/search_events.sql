-- A page of at most $6 of the newest $5 events with ids from $2 to below $1, newest first: key $3, scope $4; of a payload the
-- first $7 bytes. When it was pushed is a matter of ids. Index: event's key, backwards; never looks at more than $5 events.
SELECT e.id, e.key, e.scope, e.priority, substring(e.payload FROM 1 FOR $7) AS payload, octet_length(e.payload) AS payload_size,
       e.metadata::text AS metadata, e.created_at, e.position
FROM (
    SELECT s.* FROM plait.event s WHERE s.id < $1::uuid AND s.id >= $2::uuid ORDER BY s.id DESC LIMIT $5
) e
WHERE ($3::text IS NULL OR e.key = $3)
  AND ($4::text IS NULL OR e.scope = $4)
ORDER BY e.id DESC
LIMIT $6
