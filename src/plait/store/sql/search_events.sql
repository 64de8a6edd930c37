-- A page of at most $8 of the newest $7 events with ids from $2 to below $1, newest first: key $3, scope $4, since $5, until $6;
-- of a payload the first $9 bytes. Index: event's key, backwards; never looks at more than $7 events.
SELECT e.id, e.key, e.scope, e.priority, substring(e.payload FROM 1 FOR $9) AS payload, octet_length(e.payload) AS payload_size,
       e.metadata::text AS metadata, e.created_at, e.position
FROM (
    SELECT s.* FROM plait.event s WHERE s.id < $1::uuid AND s.id >= $2::uuid ORDER BY s.id DESC LIMIT $7
) e
WHERE ($3::text IS NULL OR e.key = $3)
  AND ($4::text IS NULL OR e.scope = $4)
  AND ($5::timestamptz IS NULL OR e.created_at >= $5)
  AND ($6::timestamptz IS NULL OR e.created_at < $6)
ORDER BY e.id DESC
LIMIT $8
