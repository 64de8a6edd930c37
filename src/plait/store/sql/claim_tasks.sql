-- Claim up to $5 ready tasks for worker $1: ready -> running, and what is needed to judge them. It has code for the actions
-- in the ranges from $2 to $3, each of the workflow numbered $4.
-- Order: priority; then the workflows take turns, a task each, those first that were given fewer lately ($9, by number); then
-- the position of the run (the oldest first) and task, over all actions together.
-- A worker that was declared dead gets nothing: `alive` is false. Of suspects, tasks that were lost with a worker, only as
-- many are taken as fit into $6 of the $7 parts that a worker has for them: one that was lost once takes one part, one that
-- was lost more often all of them. The first that does not fit lets none pass, so that it gets its turn.
-- Locks: the ready rows taken, skipping locked ones. Indexes: ready_order, in each era (there is one, as a rule: see
-- turn_eras.sql) from one action that has ready tasks to the next within a range and never beyond $5 entries of each, so
-- that a backlog the worker cannot run costs nothing, nor do actions of which nothing is ready; ready_suspect, which is
-- empty as a rule, for each of these; worker's key.
-- `share` first decides how many tasks each action gives, without locking; then exactly that many are locked, so nothing
-- is locked and left; where another claimer holds these, nothing less urgent is taken in their place. `seen` tells a
-- claimer that came second to ask again: what it saw was taken by another, but there may be more. Of inputs it brings at
-- most $8 bytes.
WITH alive AS MATERIALIZED (
    SELECT id FROM plait.worker WHERE id = $1 AND ended_at IS NULL
), present AS MATERIALIZED (
    SELECT e.era, s.workflow, a.action_id
    FROM plait.era e
    CROSS JOIN unnest($2::int[], $3::int[], $4::int[]) AS s(low, high, workflow)
    CROSS JOIN LATERAL (
-- Include fragments/present_actions.sql.
    ) a
), suspect AS MATERIALIZED (
    SELECT era, workflow, action_id, priority, position, task
    FROM (
        SELECT a.era, a.workflow, h.action_id, h.priority, h.position, h.task,
               sum(CASE h.lost WHEN 1 THEN 1 ELSE $7::int END) OVER (ORDER BY h.priority DESC, h.position, h.task) AS parts
        FROM present a
        CROSS JOIN LATERAL (
            SELECT r.action_id, r.priority, r.position, r.task, r.lost
            FROM plait.ready r
            WHERE r.era = a.era AND r.action_id = a.action_id AND r.lost > 0
            ORDER BY r.priority DESC, r.position, r.task
            LIMIT $6
        ) h
    ) w
    WHERE parts <= $6
), head AS MATERIALIZED (
    SELECT h.era, h.action_id, h.priority, h.position, h.task, h.suspect
    FROM (
        SELECT o.*, row_number() OVER (PARTITION BY o.priority, o.workflow ORDER BY o.position, o.task)
                    + ($9::int[])[o.workflow + 1] AS turn
        FROM (
            SELECT a.era, a.workflow, f.*
            FROM present a
            CROSS JOIN LATERAL (
                SELECT r.action_id, r.priority, r.position, r.task, false AS suspect
                FROM plait.ready r
                WHERE r.era = a.era AND r.action_id = a.action_id AND r.lost = 0
                ORDER BY r.priority DESC, r.position, r.task
                LIMIT $5
            ) f
            UNION ALL
            SELECT era, workflow, action_id, priority, position, task, true FROM suspect
        ) o
    ) h
    WHERE (SELECT id FROM alive) IS NOT NULL
    ORDER BY h.priority DESC, h.turn, h.position, h.task
    LIMIT $5
), share AS (
    SELECT era, action_id, count(*) AS n, min(priority) AS least FROM head WHERE NOT suspect GROUP BY era, action_id
), picked AS MATERIALIZED (
    SELECT p.row_id
    FROM share s
    CROSS JOIN LATERAL (
        SELECT r.ctid AS row_id
        FROM plait.ready r
        WHERE r.era = s.era AND r.action_id = s.action_id AND r.lost = 0 AND r.priority >= s.least
        ORDER BY r.priority DESC, r.position, r.task
        LIMIT s.n
        FOR UPDATE SKIP LOCKED
    ) p
    UNION ALL
    SELECT p.row_id
    FROM head h
    CROSS JOIN LATERAL (
        SELECT r.ctid AS row_id
        FROM plait.ready r
        WHERE r.era = h.era AND r.action_id = h.action_id AND r.priority = h.priority AND r.position = h.position
          AND r.task = h.task AND r.lost > 0
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    ) p
    WHERE h.suspect
),
-- Include fragments/hold_taken.sql.
SELECT h.seen, (SELECT id FROM alive) IS NOT NULL AS alive, t.run_id, t.task, t.attempt, t.retry, t.lost, t.priority,
       t.action_id, t.queued_at, t.started_at,
-- Include fragments/input_of_claim.sql.
-- Include fragments/run_of_claim.sql.
FROM (SELECT count(*)::int AS seen, $8::int8 AS input_bytes FROM head) h
LEFT JOIN (
    taken t
    CROSS JOIN LATERAL (SELECT * FROM plait.run WHERE id = t.run_id LIMIT 1) r
) ON true
WINDOW run AS (PARTITION BY t.run_id ORDER BY t.task)
