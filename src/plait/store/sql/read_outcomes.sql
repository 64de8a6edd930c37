-- The outcomes of given tasks: their terminal attempts. Index: attempt's key, one probe per task.
SELECT w.run_id, w.task, a.status, a.output, a.error, a.reason
FROM unnest($1::uuid[], $2::int2[]) AS w(run_id, task)
CROSS JOIN LATERAL (
    SELECT status, output, error, reason FROM plait.attempt
    WHERE run_id = w.run_id AND task = w.task AND plait.is_outcome(status)
    ORDER BY attempt DESC LIMIT 1
) a
