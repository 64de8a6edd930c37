-- What the database believes worker $1 holds, by key, and whether somebody asked to cancel it. A scan of running, which
-- is small; then run's key.
SELECT h.run_id, h.task, h.attempt, coalesce(h.task = ANY (r.cancel_tasks), false) AS cancelled
FROM plait.running h
CROSS JOIN LATERAL (SELECT cancel_tasks FROM plait.run WHERE id = h.run_id LIMIT 1) r
WHERE h.worker_id = $1
