-- Deliver events, in this order: start runs (each belongs to the event at `run_events`), give the events their positions,
-- wake the tasks that wait for their keys. Exactly once: only who takes an event out of the inbox delivers it.
-- `heard_*` name groups of tasks (see wake_listeners.sql) and which event is the first that may concern them, by its place;
-- NULL: none. Those of any other group are woken.
-- About `most` tasks are woken here, of all groups alike. Of what is left plait.delivery keeps the groups: then it is not
-- complete, and continue_deliveries.sql goes on.
-- Locks: the inbox's rows in their order; then, for what is left to do, the delivery lock, so that a task that is being
-- parked has either seen an event or is woken by it; then as in wake_listeners.sql, and what is left of other deliveries.
CREATE OR REPLACE FUNCTION plait.deliver_events(
    event_ids uuid[], most integer,
    run_events integer[], run_ids uuid[], version_ids integer[], metadatas text[], priorities smallint[],
    heard_keys text[], heard_scopes text[], heard_versions integer[], heard_tasks smallint[], heard_events integer[],
    OUT started integer, OUT woken integer, OUT complete boolean, OUT actions integer[]
) LANGUAGE plpgsql AS $function$
DECLARE
    -- At the places of event_ids; NULL: it has been delivered.
    fresh uuid[];
    positions bigint[];
    event_keys text[];
    event_scopes text[];
    places bigint[];
    newest bigint;
    -- Groups that are concerned, with the position of the first event that concerns them.
    keys text[];
    scopes text[];
    versions integer[];
    tasks smallint[];
    firsts bigint[];
BEGIN
    SELECT array_agg((SELECT event_id FROM plait.event_inbox WHERE pushed = e.pushed FOR UPDATE) ORDER BY u.ord),
           array_agg(e.key ORDER BY u.ord), array_agg(coalesce(e.scope, '') ORDER BY u.ord),
           array_agg(e.pushed ORDER BY u.ord)
    INTO fresh, event_keys, event_scopes, places
    FROM unnest(event_ids) WITH ORDINALITY AS u(id, ord)
    LEFT JOIN LATERAL (SELECT key, scope, pushed FROM plait.event WHERE id = u.id LIMIT 1) e ON true;

    started := 0;
    woken := 0;
    complete := true;
    IF fresh IS NULL OR array_remove(fresh, NULL) = '{}' THEN
        RETURN;
    END IF;

    SELECT count(*) INTO started FROM (
        SELECT plait.start_runs(array_agg(r.run_id), array_agg(r.version_id), array_agg(e.payload), array_agg(r.metadata),
                                array_agg(r.priority), NULL, false, false,
                                array_agg(plait.by_event()), array_agg(e.id)) AS ids
        FROM unnest(run_events, run_ids, version_ids, metadatas, priorities)
             AS r(event, run_id, version_id, metadata, priority)
        CROSS JOIN LATERAL (SELECT id, payload FROM plait.event WHERE id = fresh[r.event] LIMIT 1) e
        HAVING count(*) > 0
    ) s, unnest(s.ids);

    PERFORM pg_advisory_xact_lock(plait.delivery_lock());
    positions := ARRAY(
        SELECT CASE WHEN id IS NOT NULL THEN nextval('plait.position') END
        FROM unnest(fresh) WITH ORDINALITY AS u(id, ord) ORDER BY ord
    );
    newest := (SELECT max(p) FROM unnest(positions) AS p);
    UPDATE plait.event e SET position = f.position
    FROM unnest(fresh, positions) AS f(id, position)
    CROSS JOIN LATERAL (SELECT ctid AS row_id FROM plait.event WHERE id = f.id LIMIT 1) o
    WHERE e.ctid = o.row_id;
    DELETE FROM plait.event_inbox i
    USING unnest(fresh, places) AS f(id, pushed)
    CROSS JOIN LATERAL (SELECT ctid AS row_id FROM plait.event_inbox WHERE pushed = f.pushed LIMIT 1) o
    WHERE i.ctid = o.row_id AND f.id IS NOT NULL;

    WITH RECURSIVE asked AS MATERIALIZED (
        SELECT s.scope, e.key, min(e.place)::int AS first
        FROM unnest(fresh, event_keys, event_scopes) WITH ORDINALITY AS e(id, key, scope, place)
        CROSS JOIN LATERAL unnest(ARRAY['', e.scope]) AS s(scope)
        WHERE e.id IS NOT NULL
        GROUP BY e.key, s.scope
    ),
-- Include fragments/listening.sql.
    SELECT array_agg(c.key), array_agg(c.scope), array_agg(c.version_id), array_agg(c.task), array_agg(c.first)
    INTO keys, scopes, versions, tasks, firsts
    FROM (
        SELECT l.key, l.scope, l.version_id, l.task,
               CASE WHEN l.first IS NULL THEN NULL
                    WHEN h.key IS NULL THEN positions[l.first]
                    WHEN h.event IS NOT NULL THEN coalesce(positions[h.event], positions[l.first])
               END AS first
        -- FULL, because that cannot be a nested loop, whatever the planner believes of their numbers.
        FROM listening l
        FULL JOIN unnest(heard_keys, heard_scopes, heard_versions, heard_tasks, heard_events)
                  AS h(key, scope, version_id, task, event)
               ON h.key = l.key AND h.scope = l.scope AND h.version_id = l.version_id AND h.task = l.task
        ORDER BY l.key, l.scope, l.version_id, l.task
    ) c
    WHERE c.first IS NOT NULL;

    IF keys IS NOT NULL THEN
        SELECT w.woken, w.actions INTO woken, actions
        FROM plait.wake_listeners(keys, scopes, versions, tasks, array_fill(newest, ARRAY[cardinality(keys)]),
                                  greatest(1, most / cardinality(keys)),
                                  least((SELECT min(first) FROM unnest(firsts) AS first),
                                        (SELECT min(first_position) FROM plait.delivery)) - 1) w;
        INSERT INTO plait.delivery (key, scope, version_id, task, first_position, last_position)
        SELECT g.key, g.scope, g.version_id, g.task, g.first, newest
        FROM unnest(keys, scopes, versions, tasks, firsts) WITH ORDINALITY AS g(key, scope, version_id, task, first, ord)
        WHERE (
            SELECT true FROM plait.awaited_event
            WHERE key = g.key AND scope = g.scope AND version_id = g.version_id AND task = g.task AND position < newest
            LIMIT 1
        )
        ORDER BY g.ord
        ON CONFLICT (key, scope, version_id, task) DO UPDATE SET last_position = excluded.last_position;
        complete := NOT FOUND;
    END IF;
END
$function$;
