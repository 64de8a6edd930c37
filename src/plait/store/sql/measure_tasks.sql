-- How the tasks of the runs $1 went, by action: accepted outcomes, failures, percentiles of the time their code took.
-- At most $2 attempts are looked at. Index: attempt's key, workflow_version's.
SELECT d.action_id, count(*)::int AS outcomes, count(*) FILTER (WHERE d.status = plait.failed())::int AS failed,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY d.ms) AS p50, percentile_cont(0.95) WITHIN GROUP (ORDER BY d.ms) AS p95
FROM (
    SELECT v.actions[a.task + 1] AS action_id, a.status,
           extract(epoch FROM a.finished_at - a.started_at)::float8 * 1000 AS ms
    FROM unnest($1::uuid[]) AS w(id)
    CROSS JOIN LATERAL (SELECT id, version_id FROM plait.run WHERE id = w.id LIMIT 1) r
    CROSS JOIN LATERAL (SELECT actions FROM plait.workflow_version WHERE id = r.version_id LIMIT 1) v
    CROSS JOIN LATERAL (
        SELECT task, status, started_at, finished_at FROM plait.attempt
        WHERE run_id = r.id AND status > plait.skipped() OFFSET 0
    ) a
    LIMIT $2
) d
GROUP BY d.action_id
