-- A page of at most $6 of the newest $5 events with ids from $2 to below $1, newest first: keys $3, scopes $4; of a
-- payload the first $7 bytes (NULL: all). When it was pushed is a matter of ids. Index: event's key, backwards; never looks at more than $5 events.
SELECT e.id, e.key, e.scope, e.priority, substring(e.payload FROM 1 FOR coalesce($7::int4, 1 << 30)) AS payload, octet_length(e.payload) AS payload_size,
       e.metadata::text AS metadata, e.created_at, e.position
FROM (
    SELECT s.* FROM plait.event s WHERE s.id < $1::uuid AND s.id >= $2::uuid ORDER BY s.id DESC LIMIT $5
) e
WHERE ($3::text[] IS NULL OR e.key = ANY ($3))
  AND ($4::text[] IS NULL OR e.scope = ANY ($4))
ORDER BY e.id DESC
LIMIT $6
