-- The $1 tasks that have been running the longest, and the time now.
-- Index: none; running is read once, as large as all slots in use.
SELECT run_id, task, attempt, action_id, worker_id, started_at, plait.now() AS now
FROM plait.running ORDER BY started_at, run_id, task LIMIT $1
