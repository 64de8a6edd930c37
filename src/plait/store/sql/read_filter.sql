-- Filter $1. Index: filter's key.
SELECT id, workflow, scope, expression, payload, declared, created_at FROM plait.filter WHERE id = $1
