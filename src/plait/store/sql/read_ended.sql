-- Which of the runs $1 have ended, and how; with the outcome of every task, and at most $2 bytes of values (output or
-- error) together: of one that is withheld comes the size only. Index: keys of run and attempt.
SELECT id, status, version_id, task, task_status, reason, size, CASE WHEN is_brought THEN value END AS value
FROM (
    SELECT r.id, r.status, r.version_id, a.task, a.attempt, a.status AS task_status, a.reason, v.value, s.size,
           s.size <= $2
           AND sum(s.size) FILTER (WHERE s.size <= $2) OVER (ORDER BY r.id, a.task, a.attempt) <= $2 AS is_brought
    FROM plait.run r
    LEFT JOIN LATERAL (
        SELECT * FROM plait.attempt WHERE run_id = r.id AND plait.is_outcome(status) OFFSET 0
    ) a ON true
    CROSS JOIN LATERAL (SELECT coalesce(a.output, a.error) AS value) v
    CROSS JOIN LATERAL (SELECT octet_length(v.value) AS size) s
    WHERE r.id = ANY ($1::uuid[]) AND r.status <> plait.open()
) outcome
ORDER BY id, task, attempt
