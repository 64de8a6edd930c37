-- At most $4 ids of runs that have not ended, newest first, with ids from $2 to below $1; $3: only of these workflows. A run
-- that has not ended has a task in a room, save between two statements of one finish: polling finds it then.
-- Index: running's and waiting's keys, backwards from run to run; ready_order, for each action, at most $4 entries.
WITH RECURSIVE held AS (
    (SELECT run_id FROM plait.running WHERE run_id < $1::uuid AND run_id >= $2::uuid ORDER BY run_id DESC LIMIT 1)
    UNION ALL
    SELECT (SELECT t.run_id FROM plait.running t WHERE t.run_id < h.run_id AND t.run_id >= $2 ORDER BY t.run_id DESC LIMIT 1)
    FROM held h WHERE h.run_id IS NOT NULL
), parked AS (
    (SELECT run_id FROM plait.waiting WHERE run_id < $1::uuid AND run_id >= $2::uuid ORDER BY run_id DESC LIMIT 1)
    UNION ALL
    SELECT (SELECT t.run_id FROM plait.waiting t WHERE t.run_id < p.run_id AND t.run_id >= $2 ORDER BY t.run_id DESC LIMIT 1)
    FROM parked p WHERE p.run_id IS NOT NULL
)
SELECT DISTINCT run_id FROM (
    (SELECT run_id FROM held LIMIT $4)
    UNION ALL
    (SELECT run_id FROM parked LIMIT $4)
    UNION ALL
    SELECT q.run_id
    FROM plait.action a
    CROSS JOIN unnest('{1,2,3}'::int2[]) AS p(priority)
    CROSS JOIN LATERAL (
        SELECT run_id FROM plait.ready
        WHERE action_id = a.id AND priority = p.priority AND run_id < $1 AND run_id >= $2
        ORDER BY run_id DESC, task DESC LIMIT $4
    ) q
    WHERE $3::text[] IS NULL OR a.workflow = ANY ($3)
) found
WHERE run_id IS NOT NULL
ORDER BY run_id DESC
LIMIT $4
