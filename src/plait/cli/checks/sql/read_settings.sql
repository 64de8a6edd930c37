-- The settings of the server that Plait's promises and its speed rest on. Needs no schema of Plait's.
SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit, current_setting('autovacuum') AS autovacuum,
       pg_catalog.pg_size_pretty(pg_catalog.pg_database_size(current_database())) AS size
