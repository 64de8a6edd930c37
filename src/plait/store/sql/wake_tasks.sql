-- Move up to $1 due tasks from waiting to ready. Locks: the waiting rows, skipping locked ones, then what they await.
-- Index: waiting_due, awaited_event's key.
WITH picked AS MATERIALIZED (
    SELECT ctid AS row_id FROM plait.waiting WHERE due_at <= plait.now() ORDER BY due_at LIMIT $1
    FOR UPDATE SKIP LOCKED
),
-- Include fragments/queue_awaken.sql.
SELECT count(*)::int AS moved, array_agg(DISTINCT action_id) AS actions FROM taken
