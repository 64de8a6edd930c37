-- Worker $1, as survey_workers.sql shows it. Index: worker's key; running is read once, as large as all slots in use.
SELECT s.id, s.name, s.host, s.pid, s.slots, s.labels::text AS labels, s.actions, s.plait, s.started_at, s.ended_at,
       CASE WHEN isfinite(s.heartbeat_at) THEN extract(epoch FROM plait.now() - s.heartbeat_at)::float8 END AS silent_seconds,
       s.heartbeat_at < plait.now() - s.lease_us * interval '1 microsecond' AS late,
       (SELECT count(*)::int FROM plait.running r WHERE r.worker_id = s.id) AS held
FROM plait.worker s
WHERE s.id = $1
