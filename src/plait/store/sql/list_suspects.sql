-- Tasks that were lost with their workers and are ready or run again, by workflow and task: how many, the most losses of
-- one, and its run. At most $1 of the ready ones of each action are counted.
-- Index: ready_suspect, up to $1 entries per action; running is read once, as large as all slots in use.
SELECT a.workflow, a.task, count(*)::int AS tasks, max(s.lost)::int AS losses,
       (array_agg(s.run_id ORDER BY s.lost DESC, s.run_id))[1] AS run_id
FROM (
    SELECT r.action_id, r.run_id, r.lost
    FROM plait.action c
    CROSS JOIN plait.era e
    CROSS JOIN LATERAL (SELECT q.action_id, q.run_id, q.lost FROM plait.ready q
                        WHERE q.era = e.era AND q.action_id = c.id AND q.lost > 0
                        ORDER BY q.priority DESC, q.position, q.task LIMIT $1) r
    UNION ALL
    SELECT action_id, run_id, lost FROM plait.running WHERE lost > 0
) s
CROSS JOIN LATERAL (SELECT workflow, task FROM plait.action WHERE id = s.action_id LIMIT 1) a
GROUP BY a.workflow, a.task
ORDER BY losses DESC, tasks DESC, a.workflow, a.task
