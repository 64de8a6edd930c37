-- Change filter $1, unless it was declared in code: expression $2, scope $3, payload $4, each left as it is where NULL.
-- Index: filter's key. Locks: that row.
UPDATE plait.filter
SET expression = coalesce($2, expression), scope = coalesce($3, scope), payload = coalesce($4, payload)
WHERE id = $1 AND NOT declared
RETURNING id, workflow, scope, expression, payload, declared, created_at
