-- Sessions of Plait's that wait for a lock of a session that is not Plait's, for longer than $1 seconds; the one that
-- blocks most comes first.
SELECT b.pid, coalesce(nullif(b.application_name, ''), b.usename::text, '') AS who, b.state,
       extract(epoch FROM clock_timestamp() - b.xact_start)::float8 AS age, count(*)::int AS waiting,
       max(extract(epoch FROM clock_timestamp() - w.query_start))::float8 AS waited
FROM pg_catalog.pg_stat_activity w
CROSS JOIN LATERAL unnest(pg_catalog.pg_blocking_pids(w.pid)) AS blocking(pid)
JOIN pg_catalog.pg_stat_activity b ON b.pid = blocking.pid
WHERE w.application_name LIKE 'plait%' AND b.application_name NOT LIKE 'plait%'
  AND w.query_start < clock_timestamp() - $1 * interval '1 second' AND w.wait_event_type = 'Lock'
GROUP BY b.pid, b.application_name, b.usename, b.state, b.xact_start
ORDER BY waiting DESC
LIMIT 5
