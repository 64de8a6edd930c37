-- Live workers that have free slots and have been there for $1 seconds, but take nothing although a task that they have
-- code for has been the first in line for as long: for how long, at most. Suspects, which wait for more than a slot, aside.
-- Index: ready_order, an entry per action; worker_live; running is read once, as large as all slots in use.
WITH first AS MATERIALIZED (
    SELECT a.id, plait.now() - r.queued_at AS waited
    FROM plait.action a
    CROSS JOIN plait.era e
    CROSS JOIN LATERAL (SELECT q.queued_at FROM plait.ready q WHERE q.era = e.era AND q.action_id = a.id AND q.lost = 0
                        ORDER BY q.priority DESC, q.position, q.task LIMIT 1) r
    WHERE r.queued_at < plait.now() - $1::float8 * interval '1 second'
), held AS MATERIALIZED (
    SELECT worker_id, count(*)::int AS tasks FROM plait.running GROUP BY worker_id
)
SELECT w.id, w.name, w.host, w.pid, w.slots, w.slots - coalesce(h.tasks, 0) AS free,
       extract(epoch FROM (SELECT max(f.waited) FROM first f WHERE f.id = ANY (w.actions)))::float8 AS waited
FROM plait.worker w
LEFT JOIN held h ON h.worker_id = w.id
WHERE w.ended_at IS NULL AND w.started_at < plait.now() - $1::float8 * interval '1 second'
  AND w.heartbeat_at >= plait.now() - w.lease_us * interval '1 microsecond'
  AND coalesce(h.tasks, 0) < w.slots
  AND EXISTS (SELECT FROM first f WHERE f.id = ANY (w.actions))
ORDER BY w.id
