-- The settings of the server that Plait's promises and its speed rest on. Needs no schema of Plait's.
SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit, current_setting('autovacuum') AS autovacuum,
       current_setting('max_connections')::int
           - current_setting('superuser_reserved_connections')::int AS max_connections,
       (SELECT count(*)::int FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       pg_catalog.pg_size_pretty(pg_catalog.pg_database_size(current_database())) AS size
