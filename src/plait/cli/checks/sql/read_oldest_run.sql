-- The age of the oldest run, and about how many runs there are.
-- Index: run_age.
SELECT (SELECT extract(epoch FROM plait.now() - created_at)::float8 FROM plait.run ORDER BY created_at LIMIT 1) AS age,
       (SELECT n_live_tup::float8 FROM pg_catalog.pg_stat_all_tables
        WHERE schemaname = 'plait' AND relname = 'run') AS runs
