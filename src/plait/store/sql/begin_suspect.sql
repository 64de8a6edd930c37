-- Note that worker $1 begins the code of a suspect, attempt $4 of task $3 of run $2; $5 lists, as worker.begun has it, all
-- of its suspects that have begun, this one too. One row per ending of the workers with which the task was lost since the
-- run's last replay, with how often; none when the task, or the worker, is not held to be alive any more.
-- Not noted with the task: a row of running that changes could slip away from under who deletes it at that moment.
-- Locks: the worker's row. Indexes: the keys of worker, running, run and attempt.
WITH noted AS (
    UPDATE plait.worker SET begun = $5::text[] WHERE id = $1 AND ended_at IS NULL RETURNING id
)
SELECT coalesce(w.ending, 'silent') AS ending, count(a.run_id)::int AS losses
FROM noted n
JOIN plait.running h ON h.run_id = $2 AND h.task = $3 AND h.attempt = $4 AND h.worker_id = n.id
JOIN plait.run r ON r.id = h.run_id
LEFT JOIN plait.attempt a
       ON a.run_id = h.run_id AND a.task = h.task AND a.attempt >= coalesce(r.first_attempt, 1) AND a.status = plait.lost()
LEFT JOIN plait.worker w ON w.id = a.worker_id
GROUP BY 1
