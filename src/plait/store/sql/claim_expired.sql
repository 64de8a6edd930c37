-- Claim up to $2 ready tasks whose schedule timeout has passed, for worker $1, which will only judge them.
-- One that was declared dead gets none.
-- Locks: the ready rows taken, skipping locked ones. Indexes: ready_expiry; worker's key.
WITH picked AS MATERIALIZED (
    SELECT f.row_id
    FROM plait.era e
    CROSS JOIN LATERAL (
        SELECT ctid AS row_id FROM plait.ready
        WHERE era = e.era AND expires_at <= plait.now()
          AND EXISTS (SELECT 1 FROM plait.worker WHERE id = $1 AND ended_at IS NULL)
        ORDER BY expires_at LIMIT $2
        FOR UPDATE SKIP LOCKED
    ) f
),
-- Include fragments/hold_taken.sql.
SELECT t.run_id, t.task, t.attempt, t.retry, t.lost, t.priority, t.action_id, t.queued_at, t.started_at,
       NULL::bytea AS input,
-- Include fragments/run_of_claim.sql.
FROM taken t
CROSS JOIN LATERAL (SELECT * FROM plait.run WHERE id = t.run_id LIMIT 1) r
