-- Deliver events, in this order: give them their positions, start runs (each belongs to the event at `run_events`), wake
-- the tasks that wait for their keys. `exempt_*` name tasks of versions whose expressions an event does not satisfy.
-- Exactly once: only who takes an event out of the inbox delivers it. At most `most` tasks are woken in one commit. While
-- there are more, or some whose rows are locked (by who may yet give up moving them), it is not complete: the events stay in
-- the inbox, marked as started.
-- Locks: the delivery lock, so that a task that is being parked has either seen an event or is woken by it; then the
-- waiting rows, skipping locked ones, then what they await.
CREATE OR REPLACE FUNCTION plait.deliver_events(
    event_ids uuid[], most integer,
    run_events integer[], run_ids uuid[], version_ids integer[], metadatas text[], priorities smallint[],
    exempt_events integer[], exempt_versions integer[], exempt_tasks smallint[],
    OUT started integer, OUT woken integer, OUT complete boolean, OUT actions integer[]
) LANGUAGE plpgsql AS $function$
DECLARE
    fresh uuid[];
    held uuid[];
    places bigint[];
BEGIN
    PERFORM pg_advisory_xact_lock(plait.delivery_lock());
    SELECT coalesce(array_agg(i.event_id), '{}'), coalesce(array_agg(i.event_id) FILTER (WHERE NOT i.started), '{}'),
           array_agg(e.pushed)
    INTO held, fresh, places
    FROM unnest(event_ids) AS u(id)
    CROSS JOIN LATERAL (SELECT pushed FROM plait.event WHERE id = u.id LIMIT 1) e
    CROSS JOIN LATERAL (SELECT * FROM plait.event_inbox WHERE pushed = e.pushed LIMIT 1) i;

    UPDATE plait.event e SET position = o.position
    FROM (
        SELECT f.row_id, nextval('plait.position') AS position
        FROM (SELECT id FROM unnest(event_ids) WITH ORDINALITY AS u(id, ord) WHERE id = ANY (fresh) ORDER BY ord) u
        CROSS JOIN LATERAL (SELECT ctid AS row_id FROM plait.event WHERE id = u.id LIMIT 1) f
    ) o
    WHERE e.ctid = o.row_id;

    SELECT count(*) INTO started FROM (
        SELECT plait.start_runs(array_agg(w.run_id), array_agg(w.version_id), array_agg(w.input), array_agg(w.metadata),
                                array_agg(w.priority), NULL, false, false,
                                array_agg(plait.by_event()), array_agg(w.event_id)) AS ids
        FROM (
            SELECT r.*, e.id AS event_id, e.payload AS input
            FROM unnest(run_events, run_ids, version_ids, metadatas, priorities)
                 AS r(event, run_id, version_id, metadata, priority)
            JOIN plait.event e ON e.id = event_ids[r.event]
            WHERE e.id = ANY (fresh)
        ) w
        HAVING count(*) > 0
    ) s, unnest(s.ids);

    WITH hit AS MATERIALIZED (
        SELECT DISTINCT w.run_id, w.task
        FROM unnest(event_ids) WITH ORDINALITY AS u(id, ord)
        CROSS JOIN LATERAL (SELECT key, scope, position FROM plait.event WHERE id = u.id LIMIT 1) e
        CROSS JOIN LATERAL (
            SELECT run_id, task, version_id FROM plait.awaited_event a
            WHERE a.key = e.key AND (a.scope IS NULL OR a.scope = e.scope) AND a.position < e.position
            LIMIT 2147483647
        ) w
        CROSS JOIN LATERAL (SELECT FROM plait.waiting WHERE run_id = w.run_id AND task = w.task LIMIT 1) q
        WHERE u.id = ANY (held)
          AND NOT EXISTS (
              SELECT FROM unnest(exempt_events, exempt_versions, exempt_tasks) AS x(event, version_id, task)
              WHERE x.event = u.ord AND x.version_id = w.version_id AND x.task = w.task
          )
        LIMIT most
    ), picked AS MATERIALIZED (
        SELECT q.row_id
        FROM (SELECT * FROM hit ORDER BY run_id, task) h
        CROSS JOIN LATERAL (
            SELECT ctid AS row_id FROM plait.waiting
            WHERE run_id = h.run_id AND task = h.task FOR UPDATE SKIP LOCKED
        ) q
    ),
-- Include fragments/queue_awaken.sql.
    SELECT count(*)::int, count(*) = (SELECT count(*) FROM hit) AND count(*) < most, array_agg(DISTINCT action_id)
    INTO woken, complete, actions
    FROM queued;

    IF complete THEN
        DELETE FROM plait.event_inbox WHERE pushed = ANY (places);
    ELSE
        UPDATE plait.event_inbox SET started = true WHERE pushed = ANY (places);
    END IF;
END
$function$;
