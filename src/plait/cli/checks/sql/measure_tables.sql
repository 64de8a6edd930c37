-- The tables of Plait with their sizes (indexes included), estimated live rows and dead rows.
SELECT c.relname AS name, pg_catalog.pg_total_relation_size(c.oid)::float8 AS bytes,
       s.n_live_tup::float8 AS live, s.n_dead_tup::float8 AS dead
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'plait'
JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
WHERE c.relkind = 'r'
ORDER BY bytes DESC
