-- What keeps VACUUM from removing dead rows for longer than $1 seconds: transactions and prepared ones, the oldest first.
SELECT 'session' AS kind, pid::text AS name, coalesce(nullif(application_name, ''), usename::text, '') AS who,
       state, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age
FROM pg_catalog.pg_stat_activity
WHERE xact_start < clock_timestamp() - $1::float8 * interval '1 second' AND backend_type = 'client backend'
  AND pid <> pg_catalog.pg_backend_pid() AND (backend_xmin IS NOT NULL OR state LIKE 'idle in transaction%')
UNION ALL
SELECT 'prepared', gid, owner::text, '', extract(epoch FROM clock_timestamp() - prepared)::float8
FROM pg_catalog.pg_prepared_xacts
WHERE prepared < clock_timestamp() - $1::float8 * interval '1 second'
ORDER BY age DESC
LIMIT 5
