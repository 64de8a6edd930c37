-- The declared crons of workflows, with the time now. Index: (workflow, name).
SELECT workflow, name, expression, timezone, catch_up, bound_us, input, metadata::text AS metadata, priority
FROM plait.cron WHERE workflow = ANY ($1::text[]) AND declared
