-- Claim up to $3 ready tasks of the actions $2 for worker $1: ready -> running, and what is needed to judge them.
-- Order: priority, then run (age), then task, over all actions together.
-- Locks: the ready rows taken, skipping locked ones. Index: ready_order, once per action and never beyond $3 entries,
-- so that a backlog the worker cannot run costs nothing. `share` first decides how many tasks each action gives,
-- without locking; then exactly that many are locked, so nothing is locked and left. `seen` tells a claimer that came
-- second to ask again: what it saw was taken by another, but there may be more. Of inputs it brings
-- at most $4 bytes.
WITH head AS MATERIALIZED (
    SELECT h.action_id
    FROM unnest($2::int[]) AS a(action_id)
    CROSS JOIN LATERAL (
        SELECT r.action_id, r.priority, r.run_id, r.task
        FROM plait.ready r
        WHERE r.action_id = a.action_id
        ORDER BY r.priority DESC, r.run_id, r.task
        LIMIT $3
    ) h
    ORDER BY h.priority DESC, h.run_id, h.task
    LIMIT $3
), share AS (
    SELECT action_id, count(*) AS n FROM head GROUP BY action_id
), picked AS MATERIALIZED (
    SELECT p.row_id
    FROM share s
    CROSS JOIN LATERAL (
        SELECT r.ctid AS row_id
        FROM plait.ready r
        WHERE r.action_id = s.action_id
        ORDER BY r.priority DESC, r.run_id, r.task
        LIMIT s.n
        FOR UPDATE SKIP LOCKED
    ) p
),
-- Include fragments/hold_taken.sql.
SELECT h.seen, t.run_id, t.task, t.attempt, t.retry, t.lost, t.priority, t.action_id, t.queued_at,
       plait.now() AS started_at,
-- Include fragments/input_of_claim.sql.
-- Include fragments/run_of_claim.sql.
FROM (SELECT count(*)::int AS seen FROM head) h
LEFT JOIN (taken t JOIN plait.run r ON r.id = t.run_id) ON true
WINDOW run AS (PARTITION BY t.run_id ORDER BY t.task)
