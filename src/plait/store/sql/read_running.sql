-- Running tasks of worker $1 by their keys $2, $3, as a claim returns them, with at most $4 bytes of inputs. Index:
-- running's key, one probe per task.
SELECT t.run_id, t.task, t.attempt, t.retry, t.lost, t.priority, t.action_id, t.queued_at, t.started_at,
-- Include fragments/input_of_claim.sql.
-- Include fragments/run_of_claim.sql.
FROM (SELECT *, $4::int8 AS input_bytes FROM unnest($2::uuid[], $3::int2[]) AS w(run_id, task)) h
CROSS JOIN LATERAL (
    SELECT * FROM plait.running WHERE run_id = h.run_id AND task = h.task AND worker_id = $1 LIMIT 1
) t
CROSS JOIN LATERAL (SELECT * FROM plait.run WHERE id = t.run_id LIMIT 1) r
WINDOW run AS (PARTITION BY t.run_id ORDER BY t.task)
