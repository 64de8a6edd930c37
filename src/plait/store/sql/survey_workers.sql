-- At most $1 workers that live or fell silent and, if $2, as many that ended, last started first; with what each holds now.
-- Index: worker_live; worker's key, backwards, past the live ones; running is read once, as large as all slots in use.
WITH shown AS MATERIALIZED (
    (SELECT * FROM plait.worker WHERE ended_at IS NULL ORDER BY id DESC LIMIT $1)
    UNION ALL
    (SELECT * FROM plait.worker WHERE ended_at IS NOT NULL AND $2::bool ORDER BY id DESC LIMIT $1)
), held AS MATERIALIZED (
    SELECT worker_id, count(*)::int AS tasks FROM plait.running GROUP BY worker_id
)
SELECT s.id, s.name, s.host, s.pid, s.slots, s.labels::text AS labels, s.actions, s.plait, s.started_at, s.ended_at,
       CASE WHEN isfinite(s.heartbeat_at) THEN extract(epoch FROM plait.now() - s.heartbeat_at)::float8 END AS silent_seconds,
       s.heartbeat_at < plait.now() - s.lease_us * interval '1 microsecond' AS late,
       coalesce(h.tasks, 0) AS held
FROM shown s
LEFT JOIN held h ON h.worker_id = s.id
ORDER BY s.id DESC
