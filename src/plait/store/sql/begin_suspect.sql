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
CROSS JOIN LATERAL (
    SELECT run_id, task FROM plait.running WHERE run_id = $2 AND task = $3 AND attempt = $4 AND worker_id = n.id LIMIT 1
) h
CROSS JOIN LATERAL (SELECT first_attempt FROM plait.run WHERE id = h.run_id LIMIT 1) r
LEFT JOIN LATERAL (
    SELECT run_id, worker_id FROM plait.attempt
    WHERE run_id = h.run_id AND task = h.task AND attempt >= coalesce(r.first_attempt, 1) AND status = plait.lost()
    OFFSET 0
) a ON true
LEFT JOIN LATERAL (SELECT ending FROM plait.worker WHERE id = a.worker_id LIMIT 1) w ON true
GROUP BY 1
