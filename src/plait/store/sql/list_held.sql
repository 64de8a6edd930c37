-- At most $2 tasks that worker $1 holds, the longest running first. Index: running's key and action's; running is read once,
-- as large as all slots in use.
SELECT r.run_id, a.workflow, a.task, r.attempt, r.started_at
FROM plait.running r
CROSS JOIN LATERAL (SELECT workflow, task FROM plait.action WHERE id = r.action_id LIMIT 1) a
WHERE r.worker_id = $1
ORDER BY r.started_at, r.run_id, r.task
LIMIT $2
