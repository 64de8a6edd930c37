-- Delete up to $2 scheduled runs that were started and were due before a moment. Locks: these rows, skipping locked ones.
-- Index: scheduled_time.
WITH gone AS (
    DELETE FROM plait.scheduled s
    USING (
        SELECT q.ctid AS row_id FROM plait.scheduled q WHERE q.run_at < $1 AND q.run_id IS NOT NULL
        ORDER BY q.run_at, q.id LIMIT $2 FOR UPDATE SKIP LOCKED
    ) old
    WHERE s.ctid = old.row_id
    RETURNING 1
)
SELECT count(*)::int AS deleted FROM gone
