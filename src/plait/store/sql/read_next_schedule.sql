-- Seconds until the next cron and the next scheduled run are due, negative when late. NULL: none. $1: those to leave out.
-- Index: cron_due, scheduled_due; one entry each.
SELECT extract(epoch FROM (
           SELECT min(next_at) FROM plait.cron WHERE next_at IS NOT NULL AND id <> ALL ($1::uuid[])
       ) - plait.now())::float8 AS cron,
       extract(epoch FROM (
           SELECT min(run_at) FROM plait.scheduled WHERE run_id IS NULL AND id <> ALL ($1::uuid[])
       ) - plait.now())::float8 AS scheduled
