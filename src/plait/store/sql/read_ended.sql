-- Which of the runs $1 have ended, and how; with the outcome of every task. Index: keys of run and attempt.
SELECT r.id, r.status, r.version_id, a.task, a.status AS task_status, a.output, a.error, a.reason
FROM plait.run r
LEFT JOIN plait.attempt a ON a.run_id = r.id AND plait.is_outcome(a.status)
WHERE r.id = ANY ($1::uuid[]) AND r.status <> plait.open()
ORDER BY r.id, a.task, a.attempt
