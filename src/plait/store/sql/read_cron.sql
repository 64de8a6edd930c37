-- One cron. Index: its key.
SELECT id, workflow, name, expression, timezone, catch_up, bound_us, input, metadata::text AS metadata, priority, declared,
       paused, next_at, last_at, created_at
FROM plait.cron WHERE id = $1
