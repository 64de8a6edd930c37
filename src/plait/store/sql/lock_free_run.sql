-- Run $1, if nobody holds it locked. Locks: that run, for this moment. Index: run's key.
SELECT id FROM plait.run WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED
