-- At most $1 crons that are due, the longest due first, with the time now. $2: those to leave out. Index: cron_due.
SELECT id, workflow, name, expression, timezone, catch_up, bound_us, next_at, plait.now() AS now
FROM plait.cron
WHERE next_at <= plait.now() AND id <> ALL ($2::uuid[])
ORDER BY next_at
LIMIT $1
