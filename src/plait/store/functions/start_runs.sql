-- Start runs: insert them and their root tasks, in one commit; a run id that is there already starts nothing.
-- An idempotency key that is taken starts nothing either, and gives the id of the run that has it; so does a child's key.
-- A child whose parent task does not run any more is refused: NULL in the place of its id.
-- So is one whose key a transaction that is still open holds (but for the user's own transaction, which waits for it):
-- plait.held() in the place of its id. Nobody who shares its commit waits for it.
-- Locks: a child's parents FOR KEY SHARE in id order (see find_children.sql), keys in key order.
-- Called by Plait and, through any driver, inside the transaction of the user.
CREATE OR REPLACE FUNCTION plait.start_runs(
    run_ids uuid[], version_ids integer[], inputs bytea[], metadatas text[], priorities smallint[],
    idempotency_keys text[] DEFAULT NULL, notify boolean DEFAULT false, own_transaction boolean DEFAULT false,
    trigger_kinds smallint[] DEFAULT NULL, trigger_ids uuid[] DEFAULT NULL, trigger_tasks smallint[] DEFAULT NULL,
    trigger_attempts smallint[] DEFAULT NULL, child_keys text[] DEFAULT NULL
) RETURNS uuid[] LANGUAGE plpgsql AS $function$
DECLARE
    effective uuid[] := run_ids;
    -- For a user's transaction the time of the call: the transaction may have begun long before.
    moment timestamptz := CASE WHEN own_transaction THEN plait.clock() ELSE plait.now() END;
    woken text;
    timed boolean;
    known integer;
    workflows text[];
    keys text[];
    ids uuid[];
    -- For a transaction that holds a key and has not ended. In their own transaction users wait as they like to.
    wait constant text := CASE WHEN own_transaction THEN NULL ELSE '10ms' END;
BEGIN
    IF child_keys IS NOT NULL THEN
        effective := plait.find_children(run_ids, trigger_ids, trigger_tasks, trigger_attempts, child_keys, wait);
    END IF;

    IF idempotency_keys IS NOT NULL THEN
        SELECT coalesce(array_agg(f.workflow), '{}'), array_agg(f.key), array_agg(f.run_id) INTO workflows, keys, ids
        FROM (
            SELECT DISTINCT ON (v.workflow, w.key) v.workflow, w.key, w.run_id
            FROM unnest(run_ids, effective, version_ids, idempotency_keys) WITH ORDINALITY
                 AS w(run_id, found_id, version_id, key, ord)
            CROSS JOIN LATERAL (SELECT workflow FROM plait.workflow_version WHERE id = w.version_id LIMIT 1) v
            WHERE w.key IS NOT NULL AND w.run_id = w.found_id
            ORDER BY v.workflow, w.key, w.ord
        ) f;
        ids := plait.hold_keys(workflows, keys, ids, wait);
        SELECT array_agg(CASE WHEN h.key IS NULL THEN r.found_id ELSE coalesce(h.run_id, plait.held()) END ORDER BY r.ord)
        INTO effective
        FROM unnest(run_ids, effective, version_ids, idempotency_keys) WITH ORDINALITY
             AS r(run_id, found_id, version_id, key, ord)
        LEFT JOIN LATERAL (SELECT workflow FROM plait.workflow_version WHERE id = r.version_id LIMIT 1) v ON true
        LEFT JOIN unnest(workflows, keys, ids) AS h(workflow, key, run_id)
               ON h.workflow = v.workflow AND h.key = r.key AND r.run_id = r.found_id;
        IF child_keys IS NOT NULL THEN
            -- A run that somebody else started is no child: it is found again by its idempotency key.
            DELETE FROM plait.child c
            USING unnest(run_ids, effective, trigger_ids) AS w(run_id, found_id, parent_id)
            CROSS JOIN LATERAL (
                SELECT ctid AS row_id FROM plait.child WHERE parent_run_id = w.parent_id AND run_id = w.run_id LIMIT 1
            ) f
            WHERE c.ctid = f.row_id AND w.run_id <> w.found_id;
            -- Who found a run of this very call goes where that one has been sent.
            SELECT array_agg(coalesce(o.found_id, r.found_id) ORDER BY r.ord) INTO effective
            FROM unnest(effective) WITH ORDINALITY AS r(found_id, ord)
            LEFT JOIN unnest(run_ids, effective) AS o(run_id, found_id) ON o.run_id = r.found_id;
        END IF;
    END IF;

    WITH wanted AS MATERIALIZED (
        SELECT w.run_id, nextval('plait.position') AS position, w.version_id, w.input, w.metadata, w.priority, v.pending,
               w.trigger_kind, w.trigger_id, w.trigger_task, v.awaits_events
        FROM unnest(run_ids, effective, version_ids, inputs, metadatas, priorities, trigger_kinds, trigger_ids, trigger_tasks)
             WITH ORDINALITY
             AS w(run_id, effective_id, version_id, input, metadata, priority, trigger_kind, trigger_id, trigger_task, ord)
        CROSS JOIN LATERAL (
            SELECT pending, awaits_events FROM plait.workflow_version WHERE id = w.version_id LIMIT 1
        ) v
        WHERE w.run_id = w.effective_id
        ORDER BY w.ord  -- positions are given afterwards
    ), started AS (
        INSERT INTO plait.run (id, position, created_at, version_id, priority, pending, input, metadata,
                               trigger_kind, trigger_id, trigger_task, events_from)
        SELECT run_id, position, moment, version_id, priority, pending, input, metadata::jsonb, trigger_kind, trigger_id,
               trigger_task, CASE WHEN awaits_events THEN coalesce(CASE WHEN trigger_kind = plait.by_event() THEN (
                   SELECT pushed FROM plait.event WHERE id = trigger_id
               ) END, position) END
        FROM wanted
        ON CONFLICT (id) DO NOTHING
        RETURNING id, position, version_id, priority
    ), queued AS (
        INSERT INTO plait.ready (run_id, position, queued_at, expires_at, era, action_id, task, attempt, retry, lost, priority)
        SELECT s.id, s.position, moment, plait.end_of_schedule(moment, v.schedules_us[root.task + 1]),
               (SELECT last_value FROM plait.era_now), v.actions[root.task + 1], root.task, 1, 0, 0, s.priority
        FROM started s
        CROSS JOIN LATERAL (
            SELECT roots, actions, schedules_us FROM plait.workflow_version WHERE id = s.version_id LIMIT 1
        ) v
        CROSS JOIN LATERAL unnest(v.roots) AS root(task)
        RETURNING action_id, expires_at
    )
    SELECT (SELECT count(*) FROM wanted), string_agg(DISTINCT action_id::text, ','),
           coalesce(bool_or(expires_at IS NOT NULL), false)
    INTO known, woken, timed
    FROM queued;

    IF known < (SELECT count(*) FROM unnest(run_ids, effective) AS r(asked, got) WHERE r.asked = r.got) THEN
        RAISE EXCEPTION 'a workflow version that is to be run is not stored here' USING ERRCODE = 'PLT01';
    END IF;

    IF notify AND woken IS NOT NULL THEN
        PERFORM plait.tell('plait_ready', left(woken, 7900));
        IF timed THEN
            PERFORM plait.tell('plait_timer', '');
        END IF;
    END IF;
    RETURN effective;
END
$function$;
