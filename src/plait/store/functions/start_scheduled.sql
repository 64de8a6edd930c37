-- Start scheduled runs that are due, each once. Returns how many.
-- Locks: the scheduled rows, skipping locked ones: whoever has one is starting, moving or deleting it.
CREATE OR REPLACE FUNCTION plait.start_scheduled(scheduled_ids uuid[], new_run_ids uuid[]) RETURNS integer LANGUAGE sql AS $function$
    WITH held AS MATERIALIZED (
        SELECT s.row_id, w.run_id
        FROM unnest(scheduled_ids, new_run_ids) AS w(id, run_id)
        CROSS JOIN LATERAL (
            SELECT ctid AS row_id FROM plait.scheduled
            WHERE id = w.id AND run_id IS NULL AND run_at <= plait.now() LIMIT 1
            FOR UPDATE SKIP LOCKED
        ) s
    ), moved AS (
        UPDATE plait.scheduled s SET run_id = h.run_id FROM held h
        WHERE s.ctid = h.row_id RETURNING s.*
    ), runs AS MATERIALIZED (
        SELECT m.*,
               coalesce((SELECT version_id FROM plait.workflow WHERE name = m.workflow), m.version_id) AS start_version
        FROM moved m
        ORDER BY m.run_at, m.run_id
    ), started AS MATERIALIZED (
        SELECT plait.start_runs(
            array_agg(run_id), array_agg(start_version), array_agg(input), array_agg(metadata::text), array_agg(priority),
            NULL, true, false, array_agg(plait.by_schedule()), array_agg(id)) AS ids
        FROM runs
        HAVING count(*) > 0
    )
    SELECT coalesce((SELECT cardinality(ids) FROM started), 0)
$function$;
