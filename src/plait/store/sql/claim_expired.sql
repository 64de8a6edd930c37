-- Claim up to $2 ready tasks whose schedule timeout has passed, for worker $1, which will only judge them.
-- Locks: the ready rows taken, skipping locked ones. Index: ready_expiry.
WITH picked AS MATERIALIZED (
    SELECT ctid AS row_id FROM plait.ready
    WHERE expires_at <= plait.now()
    ORDER BY expires_at LIMIT $2
    FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM plait.ready r USING picked p WHERE r.ctid = p.row_id
    RETURNING r.run_id, r.task, r.attempt, r.retry, r.lost, r.priority, r.action_id, r.queued_at
), held AS (
    INSERT INTO plait.running
        (run_id, task, attempt, retry, lost, priority, action_id, worker_id, queued_at, started_at)
    SELECT run_id, task, attempt, retry, lost, priority, action_id, $1, queued_at, plait.now() FROM taken
)
SELECT t.run_id, t.task, t.attempt, t.retry, t.lost, t.priority, t.action_id, t.queued_at, plait.now() AS started_at,
       r.version_id, r.metadata::text AS metadata, r.status, r.worst,
       r.first_attempt, r.cancel_tasks,
       CASE WHEN row_number() OVER (PARTITION BY t.run_id) = 1 THEN r.input END AS input
FROM taken t
JOIN plait.run r ON r.id = t.run_id
