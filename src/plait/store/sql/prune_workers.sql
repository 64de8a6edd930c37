-- Delete up to $2 workers that ended before a moment and hold nothing. Locks: these rows, skipping locked ones. Index:
-- worker_ended; running is read once, as large as all slots in use.
WITH gone AS (
    DELETE FROM plait.worker w
    USING (
        SELECT q.ctid AS row_id FROM plait.worker q
        WHERE q.ended_at < $1 AND q.id <> ALL (ARRAY(SELECT DISTINCT worker_id FROM plait.running))
        ORDER BY q.ended_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ) old
    WHERE w.ctid = old.row_id
    RETURNING 1
)
SELECT count(*)::int AS deleted FROM gone
