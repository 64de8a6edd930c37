-- Store a cron, once however often it is sent. No row: its workflow has another one of this name.
-- Index: cron's key, (workflow, name).
INSERT INTO plait.cron AS c
    (id, workflow, name, expression, timezone, catch_up, bound_us, input, metadata, priority, next_at, declared)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10, $11, false)
ON CONFLICT (workflow, name) DO UPDATE SET id = c.id WHERE c.id = excluded.id
RETURNING id, workflow, name, expression, timezone, catch_up, bound_us, input, metadata::text AS metadata, priority, declared,
          paused, next_at, last_at, created_at
