-- Workers that did not end, with the seconds since their last heartbeat and whether their lease has run out.
-- Index: none; the table has a row per process.
SELECT id, name, host, pid, slots, actions, plait, started_at,
       extract(epoch FROM plait.now() - heartbeat_at)::float8 AS silent_seconds,
       heartbeat_at < plait.now() - lease_us * interval '1 microsecond' AS late
FROM plait.worker
WHERE ended_at IS NULL
ORDER BY started_at, id
