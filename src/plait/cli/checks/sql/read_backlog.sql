-- How long the first in line of each action has been ready, the most patient of those that a live worker serves; and
-- how late the timer is that should have woken its task first.
-- Index: ready_order and waiting_due, one entry per action and one in all.
SELECT (SELECT extract(epoch FROM plait.now() - min(r.queued_at))::float8
        FROM plait.action a
        CROSS JOIN plait.era e
        CROSS JOIN LATERAL (SELECT q.queued_at FROM plait.ready q WHERE q.era = e.era AND q.action_id = a.id
                            ORDER BY q.priority DESC, q.position, q.task LIMIT 1) r
        WHERE EXISTS (SELECT 1 FROM plait.worker w WHERE w.ended_at IS NULL AND a.id = ANY (w.actions))) AS ready_for,
       (SELECT extract(epoch FROM plait.now() - due_at)::float8 FROM plait.waiting
        WHERE due_at < plait.now() ORDER BY due_at LIMIT 1) AS late_by
