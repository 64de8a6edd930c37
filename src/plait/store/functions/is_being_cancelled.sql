-- Whether a run descends from what is being cancelled, and will be ended with it.
-- Indexes: run's key, cancellation_run, child's key.
CREATE OR REPLACE FUNCTION plait.is_being_cancelled(which uuid) RETURNS boolean LANGUAGE sql STABLE AS $function$
    WITH RECURSIVE line(id, parent_id, parent_task) AS (
        SELECT id, trigger_id, trigger_task FROM plait.run WHERE id = which AND trigger_kind = plait.by_parent()
        UNION
        SELECT r.id, r.trigger_id, r.trigger_task
        FROM line l CROSS JOIN LATERAL (
            SELECT id, trigger_id, trigger_task FROM plait.run WHERE id = l.parent_id AND trigger_kind = plait.by_parent() LIMIT 1
        ) r
    )
    SELECT EXISTS (
        SELECT FROM line l CROSS JOIN LATERAL (
            SELECT as_of FROM plait.cancellation WHERE run_id = l.parent_id AND (task IS NULL OR task = l.parent_task)
            LIMIT 2147483647
        ) c
        WHERE c.as_of IS NULL OR EXISTS (
            SELECT FROM plait.child k
            WHERE k.parent_run_id = l.parent_id AND k.parent_task = l.parent_task AND k.run_id = l.id
              AND NOT pg_visible_in_snapshot(k.started_in, c.as_of)
        )
    )
$function$;
