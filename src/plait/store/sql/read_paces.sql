-- How fast each worker works that lives or fell silent, by its own counting; what is older than a heartbeat or two counts no
-- more. Last started first, $1 at most. Index: worker_live.
SELECT w.id, w.pace, w.heartbeat_at < plait.now() - least(w.lease_us, 15000000) * interval '1 microsecond' AS stale,
       plait.now() AS now
FROM plait.worker w
WHERE w.ended_at IS NULL
ORDER BY w.id DESC
LIMIT $1
