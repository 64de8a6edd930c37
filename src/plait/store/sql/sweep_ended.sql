-- Drop what is still held of runs that have ended, or are gone: a claim may cross a cancellation, and what that leaves
-- behind may outlast its run. Its worker finds out by itself.
-- Locks: running rows, skipping locked ones. A scan of running, which is small.
DELETE FROM plait.running h
USING (
    SELECT q.ctid AS row_id FROM plait.running q
    WHERE (SELECT status FROM plait.run WHERE id = q.run_id) IS DISTINCT FROM plait.open() LIMIT $1 FOR UPDATE OF q SKIP LOCKED
) ended
WHERE h.ctid = ended.row_id
