-- The live workers whose clock was furthest from the database's at their last heartbeat; a positive number of seconds: it
-- was ahead. Index: worker_live.
SELECT name, host, pid, (clock_ms / 1000.0)::float8 AS ahead
FROM plait.worker
WHERE ended_at IS NULL AND clock_ms IS NOT NULL
ORDER BY abs(clock_ms) DESC
LIMIT 5
