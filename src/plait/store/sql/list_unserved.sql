-- Tasks that wait in ready, by action, where no live worker has code for the action; counts stop at $1. `format` is that of
-- the definitions of their workflow, `served_format` that in which live workers have the same task, if any has it.
-- Index: ready_order, up to $1 entries per action; worker_live.
WITH served AS MATERIALIZED (
    SELECT DISTINCT unnest(w.actions) AS id
    FROM plait.worker w
    WHERE w.ended_at IS NULL AND w.heartbeat_at >= plait.now() - w.lease_us * interval '1 microsecond'
)
SELECT a.workflow, a.task, r.tasks, a.format,
       (SELECT max(o.format) FROM plait.action o JOIN served s ON s.id = o.id
        WHERE o.workflow = a.workflow AND o.task = a.task) AS served_format
FROM plait.action a
CROSS JOIN LATERAL (
    SELECT count(*)::int AS tasks FROM (
        SELECT
        FROM plait.era e
        CROSS JOIN LATERAL (SELECT FROM plait.ready q WHERE q.era = e.era AND q.action_id = a.id
                            ORDER BY q.priority DESC, q.position, q.task LIMIT $1) f
        LIMIT $1
    ) counted
) r
WHERE r.tasks > 0 AND a.id NOT IN (SELECT id FROM served)
ORDER BY a.workflow, a.task
