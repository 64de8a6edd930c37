-- A page of at most $4 filters in the order of their ids, from behind $1; of the workflows $2 and the scopes $3 (NULL: all).
-- Index: filter's key, from that id on; filters that are not wanted are passed over.
SELECT id, workflow, scope, expression, payload, declared, created_at
FROM plait.filter
WHERE id > $1 AND ($2::text[] IS NULL OR workflow = ANY ($2)) AND ($3::text[] IS NULL OR scope = ANY ($3))
ORDER BY id
LIMIT $4
