-- Delete up to $2 lines of the logs of runs that are to be deleted. Locks: these lines. Index: log's key.
WITH gone AS (
    DELETE FROM plait.log l
    USING (
        SELECT q.run_id, q.task, q.seq, q.attempt FROM plait.log q WHERE q.run_id = ANY ($1) LIMIT $2
    ) old
    WHERE l.run_id = old.run_id AND l.task = old.task AND l.seq = old.seq AND l.attempt = old.attempt
    RETURNING 1
)
SELECT count(*)::int AS deleted FROM gone
