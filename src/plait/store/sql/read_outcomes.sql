-- The outcomes of given tasks: their terminal attempts, with at most $3 bytes of values (output or error) together; of
-- one that is withheld comes the size only. Index: attempt's key, one probe per task.
SELECT run_id, task, status, reason, size, CASE WHEN is_brought THEN value END AS value
FROM (
    SELECT w.run_id, w.task, a.status, a.reason, a.value, s.size,
           s.size <= $3 AND sum(s.size) FILTER (WHERE s.size <= $3) OVER (ORDER BY w.ord) <= $3 AS is_brought
    FROM unnest($1::uuid[], $2::int2[]) WITH ORDINALITY AS w(run_id, task, ord)
    CROSS JOIN LATERAL (
        SELECT status, reason, coalesce(output, error) AS value FROM plait.attempt
        WHERE run_id = w.run_id AND task = w.task AND plait.is_outcome(status)
        ORDER BY attempt DESC LIMIT 1
    ) a
    CROSS JOIN LATERAL (SELECT octet_length(a.value) AS size) s
) outcome
