-- Move up to $1 due tasks from waiting to ready. Locks: the waiting rows, skipping locked ones. Index: waiting_due.
WITH picked AS MATERIALIZED (
    SELECT ctid AS row_id FROM plait.waiting WHERE due_at <= plait.now() ORDER BY due_at LIMIT $1
    FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM plait.waiting w USING picked p WHERE w.ctid = p.row_id
    RETURNING w.run_id, w.task, w.attempt, w.retry, w.lost, w.priority, w.action_id, w.schedule_us
), released AS (
    DELETE FROM plait.awaited_event a USING taken t WHERE a.run_id = t.run_id AND a.task = t.task
), queued AS (
    INSERT INTO plait.ready (run_id, queued_at, expires_at, action_id, task, attempt, retry, lost, priority)
    SELECT run_id, plait.now(),
           CASE WHEN schedule_us >= 0 THEN plait.now() + schedule_us * interval '1 microsecond' END,
           action_id, task, attempt, retry, lost, priority
    FROM taken
)
SELECT count(*)::int AS moved, array_agg(DISTINCT action_id) AS actions FROM taken
