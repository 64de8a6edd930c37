-- What each worker runs now: how many tasks of each action, and since when the oldest; the $1 greatest of these groups.
-- Index: none; running is read once, as large as all slots in use.
SELECT worker_id, action_id, count(*)::int AS tasks, min(started_at) AS oldest
FROM plait.running
GROUP BY worker_id, action_id
ORDER BY tasks DESC, worker_id, action_id
LIMIT $1
