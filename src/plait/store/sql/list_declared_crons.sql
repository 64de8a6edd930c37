-- The declared crons of workflows. Index: (workflow, name).
SELECT workflow, name, expression, timezone, catch_up, bound_us, input, metadata::text AS metadata, priority,
       last_at
FROM plait.cron WHERE workflow = ANY ($1::text[]) AND declared
