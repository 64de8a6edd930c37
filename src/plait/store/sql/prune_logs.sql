-- Delete up to $3 lines of the logs of those of the runs $1 that may be deleted (ended before $2), ahead of them: a crash in
-- between leaves no lines without a run. Locks: see plait.hold_prunable; these lines. Index: log's key.
WITH held AS MATERIALIZED (
    SELECT id FROM plait.hold_prunable($1::uuid[], $2::timestamptz) AS h(id)
), gone AS (
    DELETE FROM plait.log l
    USING (
        SELECT q.run_id, q.task, q.seq, q.attempt
        FROM held h JOIN plait.log q ON q.run_id = h.id LIMIT $3
    ) old
    WHERE l.run_id = old.run_id AND l.task = old.task AND l.seq = old.seq AND l.attempt = old.attempt
    RETURNING 1
)
SELECT count(*)::int AS deleted FROM gone
