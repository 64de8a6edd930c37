-- At most $1 scheduled runs that are due, the longest due first. $2: those to leave out. Index: scheduled_due.
SELECT id, workflow FROM plait.scheduled
WHERE run_id IS NULL AND run_at <= plait.now() AND id <> ALL ($2::uuid[])
ORDER BY run_at
LIMIT $1
