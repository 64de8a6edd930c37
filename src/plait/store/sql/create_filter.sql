-- Store filter $1 of workflow $2: scope $3, expression $4, payload $5. Repeatable: an id that is there is left alone.
INSERT INTO plait.filter AS f (id, workflow, scope, expression, payload, declared)
VALUES ($1, $2, $3, $4, $5, false)
ON CONFLICT (id) DO UPDATE SET id = f.id
RETURNING id, workflow, scope, expression, payload, declared, created_at
