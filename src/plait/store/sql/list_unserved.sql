-- Tasks that wait in ready, by action, where no live worker has code for the action; counts stop at $1.
-- Index: ready_order, up to $1 entries per action.
SELECT a.workflow, a.task, r.tasks
FROM plait.action a
CROSS JOIN LATERAL (
    SELECT count(*)::int AS tasks FROM (SELECT FROM plait.ready q WHERE q.action_id = a.id
          ORDER BY q.priority DESC, q.position, q.task LIMIT $1) counted
) r
WHERE r.tasks > 0
  AND NOT EXISTS (
      SELECT 1 FROM plait.worker w
      WHERE w.ended_at IS NULL AND a.id = ANY (w.actions)
        AND w.heartbeat_at >= plait.now() - w.lease_us * interval '1 microsecond'
  )
ORDER BY a.workflow, a.task
