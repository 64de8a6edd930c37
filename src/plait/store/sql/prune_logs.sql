-- Delete up to $3 lines of the logs of those of the runs $1 that may be deleted (ended before $2), ahead of them: a crash in
-- between leaves no lines without a run. Locks: see plait.hold_prunable; these lines. Index: log's key.
WITH held AS MATERIALIZED (
    SELECT id FROM plait.hold_prunable($1::uuid[], $2::timestamptz) AS h(id)
), gone AS (
    DELETE FROM plait.log l
    USING (
        SELECT q.row_id
        FROM held h CROSS JOIN LATERAL (SELECT ctid AS row_id FROM plait.log WHERE run_id = h.id LIMIT $3) q LIMIT $3
    ) old
    WHERE l.ctid = old.row_id
    RETURNING 1
)
SELECT count(*)::int AS deleted FROM gone
