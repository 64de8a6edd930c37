-- Delete up to $2 workers that ended before a moment and hold nothing. Locks: these rows, skipping locked ones. A scan of
-- worker, which has a row for each process of the time that is kept.
WITH gone AS (
    DELETE FROM plait.worker w
    USING (
        SELECT q.id FROM plait.worker q
        WHERE q.ended_at < $1 AND NOT EXISTS (SELECT 1 FROM plait.running r WHERE r.worker_id = q.id)
        LIMIT $2 FOR UPDATE SKIP LOCKED
    ) old
    WHERE w.id = old.id
    RETURNING 1
)
SELECT count(*)::int AS deleted FROM gone
