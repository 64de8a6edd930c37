-- At most $5 ids of runs that have not ended, last triggered first, with ids from $2 to below $3; of those that were
-- triggered before the run $1 (NULL: of all); $4: only of these workflows. A run that has not ended has a task in a room, save
-- between two statements of one finish: polling finds it then.
-- In the order of positions: in that order ready is kept, and a page begins where the last one ended, whatever the ids are.
-- Index: running is read whole, as large as all slots in use, with a probe of run each; waiting_position, from run to run;
-- ready_order, for each action.
WITH RECURSIVE bound AS MATERIALIZED (
    SELECT coalesce((SELECT position FROM plait.run WHERE id = $1::uuid), 9223372036854775807) AS position
), parked AS (
    (SELECT position, run_id FROM plait.waiting WHERE position < (SELECT position FROM bound) ORDER BY position DESC LIMIT 1)
    UNION ALL
    SELECT n.position, n.run_id
    FROM parked p
    CROSS JOIN LATERAL (
        SELECT position, run_id FROM plait.waiting t WHERE t.position < p.position ORDER BY t.position DESC LIMIT 1
    ) n
)
SELECT run_id FROM (
    SELECT r.position, r.id AS run_id
    FROM (SELECT DISTINCT t.run_id FROM plait.running t WHERE t.run_id >= $2::uuid AND t.run_id < $3::uuid) h
    CROSS JOIN LATERAL (SELECT id, position FROM plait.run WHERE id = h.run_id LIMIT 1) r
    WHERE r.position < (SELECT position FROM bound)
    UNION
    (SELECT position, run_id FROM parked WHERE run_id >= $2 AND run_id < $3 LIMIT $5)
    UNION
    SELECT q.position, q.run_id
    FROM plait.action a
    CROSS JOIN unnest('{1,2,3}'::int2[]) AS p(priority)
    CROSS JOIN plait.era e
    CROSS JOIN LATERAL (
        SELECT position, run_id FROM plait.ready
        WHERE era = e.era AND action_id = a.id AND priority = p.priority AND position < (SELECT position FROM bound)
          AND run_id >= $2 AND run_id < $3
        ORDER BY position DESC, task DESC LIMIT $5
    ) q
    WHERE $4::text[] IS NULL OR a.workflow = ANY ($4)
) found
ORDER BY position DESC
LIMIT $5
