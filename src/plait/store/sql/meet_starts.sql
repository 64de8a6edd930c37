-- Whether nobody is starting a child of run $1 just now: a start holds its parent FOR KEY SHARE until it is committed.
-- Skips a locked run rather than waiting, because whoever finishes a task of it would have to wait behind.
-- Locks: the run, for this moment. Index: run's key.
SELECT count(*) > 0 AS met FROM (SELECT 1 FROM plait.run WHERE id = $1 FOR UPDATE SKIP LOCKED) free
