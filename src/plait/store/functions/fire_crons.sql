-- Fire crons: start the runs of some of their fire times and move each on to its next, in one commit. `dues` are what
-- their next_at was when the times were chosen: who comes second finds another one there and does nothing, so that every
-- fire time is dealt with exactly once. The runs come flat: position of the cron, run, fire time, and the same as text
-- for the task to read. Returns how many crons were moved on, and how many runs were started.
-- Locks: the crons, skipping locked ones: whoever has one is firing or changing it.
CREATE OR REPLACE FUNCTION plait.fire_crons(
    cron_ids uuid[], dues timestamptz[], nexts timestamptz[],
    run_crons integer[], run_ids uuid[], fires timestamptz[], fire_texts text[],
    OUT moved integer, OUT started integer
) LANGUAGE sql AS $function$
    WITH held AS MATERIALIZED (
        SELECT c.row_id, w.ord
        FROM unnest(cron_ids, dues) WITH ORDINALITY AS w(id, due, ord)
        CROSS JOIN LATERAL (
            SELECT ctid AS row_id FROM plait.cron WHERE id = w.id AND next_at = w.due LIMIT 1 FOR UPDATE SKIP LOCKED
        ) c
    ), moved AS (
        UPDATE plait.cron c
        SET next_at = nexts[h.ord],
            last_at = coalesce((SELECT max(fire) FROM unnest(run_crons, fires) AS f(cron, fire) WHERE f.cron = h.ord), c.last_at)
        FROM held h
        WHERE c.ctid = h.row_id
        RETURNING h.ord, c.*
    ), runs AS MATERIALIZED (
        SELECT f.run_id, plait.find_version(m.workflow) AS version_id, m.input, m.priority, m.id,
               coalesce(m.metadata, '{}') || jsonb_build_object('cron_name', m.name, 'fire_time', f.said) AS metadata
        FROM unnest(run_crons, run_ids, fires, fire_texts) AS f(cron, run_id, fire, said)
        JOIN moved m ON m.ord = f.cron
        ORDER BY f.fire, f.run_id
    ), started AS MATERIALIZED (
        SELECT plait.start_runs(
            array_agg(run_id), array_agg(version_id), array_agg(input), array_agg(metadata::text), array_agg(priority),
            NULL, true, false, array_agg(plait.by_cron()), array_agg(id)) AS ids
        FROM runs
        HAVING count(*) > 0
    )
    SELECT (SELECT count(*)::int FROM moved), coalesce((SELECT cardinality(ids) FROM started), 0)
$function$;
