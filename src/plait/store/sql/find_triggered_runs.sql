-- At most $4 ids of the runs that $1 (an event, a cron, a scheduled run, a replayed run) started, newest first, from $3 to
-- below $2.
-- Index: run_trigger, backwards.
SELECT id AS run_id FROM plait.run WHERE trigger_id = $1 AND trigger_kind > 1 AND id < $2::uuid AND id >= $3::uuid ORDER BY id DESC LIMIT $4
