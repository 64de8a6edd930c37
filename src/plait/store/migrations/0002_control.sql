-- What makes runs wait, start by themselves, have children, be cancelled and be replayed (see ARCHITECTURE.md).
-- Columns added to run are NULL in plain runs and cost them nothing; none of them is indexed but the immutable trigger.

ALTER TABLE plait.run
    ADD COLUMN trigger_kind  smallint,        -- what started it: 1 parent, 2 event, 3 cron, 4 scheduled, 5 replay; NULL: a caller
    ADD COLUMN trigger_task  smallint,        -- of a child: the parent's task
    ADD COLUMN trigger_id    uuid,            -- the parent run, event, cron, scheduled run or replayed run
    ADD COLUMN first_attempt smallint,        -- number of the first attempt of what is freed after a replay; NULL: 1
    ADD COLUMN cancel_tasks  smallint[];      -- tasks that somebody asked to cancel: judged so
CREATE INDEX run_trigger ON plait.run (trigger_id, id) WHERE trigger_kind > 1;

-- -14 to -11: an outcome (4 to 1) that a replay has superseded.
ALTER TABLE plait.attempt DROP CONSTRAINT attempt_status_check;
ALTER TABLE plait.attempt ADD CONSTRAINT attempt_status_known
    CHECK (status BETWEEN -3 AND -1 OR status BETWEEN 1 AND 4 OR status BETWEEN -14 AND -11) NOT VALID;

-- What is served now, by name: the version that events, crons and schedules start.
CREATE TABLE plait.workflow (
    name       text PRIMARY KEY,
    version_id integer NOT NULL,
    on_events  text[] NOT NULL,               -- patterns of event keys that start it
    served_at  timestamptz NOT NULL DEFAULT plait.now()
);

-- Which events of a scope start a workflow, with what the run is told.
CREATE TABLE plait.filter (
    id         uuid PRIMARY KEY,
    workflow   text NOT NULL,
    scope      text NOT NULL,
    expression text NOT NULL,
    payload    text NOT NULL,
    declared   boolean NOT NULL,              -- with the workflow, as opposed to at run time
    created_at timestamptz NOT NULL DEFAULT plait.now()
);
CREATE INDEX filter_workflow ON plait.filter (workflow, scope);

-- Append-only, but for `position`: the order of delivery, which is also the order of commits.
CREATE TABLE plait.event (
    id         uuid PRIMARY KEY,
    created_at timestamptz NOT NULL,
    position   bigint,                        -- NULL until delivered
    priority   smallint CHECK (priority BETWEEN 1 AND 3),
    key        text NOT NULL,
    scope      text,
    payload    bytea NOT NULL,
    metadata   jsonb
) WITH (fillfactor = 80);
CREATE INDEX event_key ON plait.event (key, created_at);
CREATE SEQUENCE plait.event_position;

-- Events that were pushed and not delivered yet. `started`: its runs were started, some waiting tasks are still to be woken.
CREATE TABLE plait.event_inbox (
    event_id uuid PRIMARY KEY,
    started  boolean NOT NULL DEFAULT false
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);

-- What a task with conditions has seen so far; one row for each that ever had to wait for one.
CREATE TABLE plait.wait (
    run_id   uuid NOT NULL,
    since    timestamptz NOT NULL,            -- its parents were done: sleeps count from here
    position bigint NOT NULL,                 -- events up to here were looked at
    task     smallint NOT NULL,
    met      text NOT NULL,                   -- JSON: number of an event condition -> id of the event that met it
    PRIMARY KEY (run_id, task)
);

-- The event keys that waiting tasks wait for. No room: goes with the row in waiting.
CREATE TABLE plait.awaited_event (
    run_id     uuid NOT NULL,
    position   bigint NOT NULL,               -- events up to here were looked at
    version_id integer NOT NULL,
    task       smallint NOT NULL,
    condition  smallint NOT NULL,
    key        text NOT NULL,
    scope      text,                          -- NULL: of any scope or none
    PRIMARY KEY (run_id, task, condition)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX awaited_event_key ON plait.awaited_event (key, version_id, task);

-- The runs that a task started, by what finds them again when it runs again.
CREATE TABLE plait.child (
    parent_run_id uuid NOT NULL,
    run_id        uuid NOT NULL,
    parent_task   smallint NOT NULL,
    key           text NOT NULL,
    PRIMARY KEY (parent_run_id, parent_task, key)
);

DROP FUNCTION plait.enqueue(text);
DROP FUNCTION plait.start_runs(uuid[], integer[], bytea[], text[], smallint[], text[], boolean, boolean);

-- Start runs: insert them and their root tasks, in one commit; a run id that is there already starts nothing.
-- An idempotency key that is taken starts nothing either, and gives the id of the run that has it; so does a child's key.
-- A child whose parent task does not run any more is refused: NULL in the place of its id.
-- Locks: a child's parents FOR KEY SHARE in id order (a cancellation of the parent comes before or after), keys in key order.
-- Called by Plait and, through any driver, inside the transaction of the user.
CREATE FUNCTION plait.start_runs(
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
BEGIN
    IF child_keys IS NOT NULL THEN
        effective := plait.find_children(run_ids, trigger_ids, trigger_tasks, trigger_attempts, child_keys);
    END IF;

    IF idempotency_keys IS NOT NULL THEN
        -- DO UPDATE, not DO NOTHING: it waits for a concurrent holder and returns that holder's row.
        WITH wanted AS (
            SELECT w.ord, v.workflow, w.key, w.run_id
            FROM unnest(run_ids, effective, version_ids, idempotency_keys) WITH ORDINALITY
                 AS w(run_id, found_id, version_id, key, ord)
            JOIN plait.workflow_version v ON v.id = w.version_id
            WHERE w.key IS NOT NULL AND w.run_id = w.found_id
        ), first AS (
            SELECT DISTINCT ON (workflow, key) workflow, key, run_id FROM wanted ORDER BY workflow, key, ord
        ), held AS (
            INSERT INTO plait.idempotency_key AS k (workflow, key, run_id)
            SELECT workflow, key, run_id FROM first ORDER BY workflow, key
            ON CONFLICT (workflow, key) DO UPDATE SET run_id = k.run_id
            RETURNING k.workflow, k.key, k.run_id
        )
        SELECT array_agg(coalesce(h.run_id, r.found_id) ORDER BY r.ord) INTO effective
        FROM unnest(effective) WITH ORDINALITY AS r(found_id, ord)
        LEFT JOIN wanted w ON w.ord = r.ord
        LEFT JOIN held h ON h.workflow = w.workflow AND h.key = w.key;
        IF child_keys IS NOT NULL THEN
            -- A run that somebody else started is no child: it is found again by its idempotency key.
            DELETE FROM plait.child c
            USING unnest(run_ids, effective, trigger_ids) AS w(run_id, found_id, parent_id)
            WHERE c.parent_run_id = w.parent_id AND c.run_id = w.run_id AND w.run_id <> w.found_id;
            -- Who found a run of this very call goes where that one has been sent.
            SELECT array_agg(coalesce(o.found_id, r.found_id) ORDER BY r.ord) INTO effective
            FROM unnest(effective) WITH ORDINALITY AS r(found_id, ord)
            LEFT JOIN unnest(run_ids, effective) AS o(run_id, found_id) ON o.run_id = r.found_id;
        END IF;
    END IF;

    WITH wanted AS MATERIALIZED (
        SELECT w.run_id, w.version_id, w.input, w.metadata, w.priority, v.pending,
               w.trigger_kind, w.trigger_id, w.trigger_task
        FROM unnest(run_ids, effective, version_ids, inputs, metadatas, priorities, trigger_kinds, trigger_ids, trigger_tasks)
             AS w(run_id, effective_id, version_id, input, metadata, priority, trigger_kind, trigger_id, trigger_task)
        JOIN plait.workflow_version v ON v.id = w.version_id
        WHERE w.run_id = w.effective_id
    ), started AS (
        INSERT INTO plait.run (id, created_at, version_id, priority, pending, input, metadata,
                               trigger_kind, trigger_id, trigger_task)
        SELECT run_id, moment, version_id, priority, pending, input, metadata::jsonb, trigger_kind, trigger_id, trigger_task
        FROM wanted
        ON CONFLICT (id) DO NOTHING
        RETURNING id, version_id, priority
    ), queued AS (
        INSERT INTO plait.ready (run_id, queued_at, expires_at, action_id, task, attempt, retry, lost, priority)
        SELECT s.id, moment,
               CASE WHEN v.schedules_us[root.task + 1] >= 0
                    THEN moment + v.schedules_us[root.task + 1] * interval '1 microsecond' END,
               v.actions[root.task + 1], root.task, 1, 0, 0, s.priority
        FROM started s
        JOIN plait.workflow_version v ON v.id = s.version_id
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
        PERFORM pg_notify('plait_ready', left(woken, 7900));
        IF timed THEN
            PERFORM pg_notify('plait_timer', '');
        END IF;
    END IF;
    RETURN effective;
END
$function$;

-- The ids of child runs: those that their parent task has started before under the same keys, else the given ones, which
-- are then remembered. NULL for those whose parent task does not run (any more) in that attempt: a task that was cancelled,
-- timed out or taken over gets no further children.
-- Locks: the parents FOR KEY SHARE in id order: their cancellation comes before or after.
CREATE FUNCTION plait.find_children(
    run_ids uuid[], parent_ids uuid[], parent_tasks smallint[], parent_attempts smallint[], keys text[]
) RETURNS uuid[] LANGUAGE plpgsql AS $function$
DECLARE
    found uuid[];
BEGIN
    PERFORM 1 FROM plait.run r
    WHERE r.id = ANY (ARRAY(SELECT DISTINCT p FROM unnest(parent_ids, keys) AS w(p, key) WHERE w.key IS NOT NULL))
    ORDER BY r.id FOR KEY SHARE;

    WITH wanted AS (
        SELECT w.* FROM unnest(run_ids, parent_ids, parent_tasks, parent_attempts, keys) WITH ORDINALITY
             AS w(run_id, parent_id, task, attempt, key, ord)
        WHERE w.key IS NOT NULL AND (
            SELECT true FROM plait.running h
            WHERE h.run_id = w.parent_id AND h.task = w.task AND h.attempt = w.attempt
        )
    ), first AS (
        SELECT DISTINCT ON (parent_id, task, key) parent_id, task, key, run_id FROM wanted ORDER BY parent_id, task, key, ord
    ), held AS (
        INSERT INTO plait.child AS c (parent_run_id, parent_task, key, run_id)
        SELECT parent_id, task, key, run_id FROM first ORDER BY parent_id, task, key
        ON CONFLICT (parent_run_id, parent_task, key) DO UPDATE SET run_id = c.run_id
        RETURNING c.parent_run_id, c.parent_task, c.key, c.run_id
    )
    SELECT array_agg(CASE WHEN r.key IS NULL THEN r.run_id ELSE h.run_id END ORDER BY r.ord) INTO found
    FROM unnest(run_ids, keys) WITH ORDINALITY AS r(run_id, key, ord)
    LEFT JOIN wanted w ON w.ord = r.ord
    LEFT JOIN held h ON h.parent_run_id = w.parent_id AND h.parent_task = w.task AND h.key = w.key;
    RETURN found;
END
$function$;

-- The same for the user's own transaction, through any driver: one JSON text in, and a hint to sleeping workers when
-- that transaction commits. `json`, not `jsonb`: the input is kept to the letter.
CREATE FUNCTION plait.enqueue(requests text) RETURNS uuid[] LANGUAGE sql AS $function$
    SELECT plait.start_runs(
        array_agg((e ->> 'run_id')::uuid ORDER BY ord), array_agg((e ->> 'version_id')::int ORDER BY ord),
        array_agg(convert_to((e -> 'input')::text, 'UTF8') ORDER BY ord),
        array_agg(e ->> 'metadata' ORDER BY ord), array_agg((e ->> 'priority')::int2 ORDER BY ord),
        array_agg(e ->> 'idempotency_key' ORDER BY ord), true, true,
        array_agg((e ->> 'trigger_kind')::int2 ORDER BY ord), array_agg((e ->> 'trigger_id')::uuid ORDER BY ord),
        array_agg((e ->> 'trigger_task')::int2 ORDER BY ord), array_agg((e ->> 'trigger_attempt')::int2 ORDER BY ord),
        CASE WHEN bool_or(e ->> 'child_key' IS NOT NULL) THEN array_agg(e ->> 'child_key' ORDER BY ord) END)
    FROM json_array_elements(requests::json) WITH ORDINALITY AS r(e, ord)
$function$;

-- Store events, each once however often it is sent; they are delivered by whoever leads the maintenance.
CREATE FUNCTION plait.push_events(
    ids uuid[], keys text[], payloads bytea[], metadatas text[], scopes text[], priorities smallint[],
    own_transaction boolean DEFAULT false
) RETURNS timestamptz LANGUAGE sql AS $function$
    WITH added AS (
        INSERT INTO plait.event (id, created_at, key, payload, metadata, scope, priority)
        SELECT id, CASE WHEN own_transaction THEN plait.clock() ELSE plait.now() END, key, payload, metadata::jsonb, scope, priority
        FROM unnest(ids, keys, payloads, metadatas, scopes, priorities) AS e(id, key, payload, metadata, scope, priority)
        ON CONFLICT (id) DO NOTHING
        RETURNING id, created_at
    ), queued AS (
        INSERT INTO plait.event_inbox (event_id) SELECT id FROM added RETURNING event_id
    )
    SELECT CASE WHEN own_transaction AND EXISTS (SELECT FROM queued) AND pg_notify('plait_event', '') IS NULL THEN NULL
                ELSE (SELECT max(created_at) FROM added) END
$function$;

-- The same inside the user's own transaction, from one JSON text.
CREATE FUNCTION plait.enqueue_events(requests text) RETURNS timestamptz LANGUAGE sql AS $function$
    SELECT plait.push_events(
        array_agg((e ->> 'id')::uuid ORDER BY ord), array_agg(e ->> 'key' ORDER BY ord),
        array_agg(convert_to((e -> 'payload')::text, 'UTF8') ORDER BY ord), array_agg(e ->> 'metadata' ORDER BY ord),
        array_agg(e ->> 'scope' ORDER BY ord), array_agg((e ->> 'priority')::int2 ORDER BY ord), true)
    FROM json_array_elements(requests::json) WITH ORDINALITY AS r(e, ord)
$function$;

-- Deliver events, in this order: give them their positions, start runs (each belongs to the event at `run_events`), wake
-- the tasks that wait for their keys. `exempt_*` name tasks of versions whose expressions an event does not satisfy.
-- Exactly once: only who takes an event out of the inbox delivers it. At most `most` tasks are woken in one commit. While
-- there are more, or some whose rows are locked (by who may yet give up moving them), it is not complete: the events stay in
-- the inbox, marked as started.
-- Locks: the delivery lock, so that a task that is being parked has either seen an event or is woken by it; then the
-- waiting rows, skipping locked ones, then what they await.
CREATE FUNCTION plait.deliver_events(
    event_ids uuid[], most integer,
    run_events integer[], run_ids uuid[], version_ids integer[], metadatas text[], priorities smallint[],
    exempt_events integer[], exempt_versions integer[], exempt_tasks smallint[],
    OUT started integer, OUT woken integer, OUT complete boolean, OUT actions integer[]
) LANGUAGE plpgsql AS $function$
DECLARE
    fresh uuid[];
    held uuid[];
BEGIN
    PERFORM pg_advisory_xact_lock(plait.delivery_lock());
    SELECT coalesce(array_agg(i.event_id), '{}'), coalesce(array_agg(i.event_id) FILTER (WHERE NOT i.started), '{}')
    INTO held, fresh
    FROM plait.event_inbox i WHERE i.event_id = ANY (event_ids);

    UPDATE plait.event e SET position = o.position
    FROM (
        SELECT f.row_id, nextval('plait.event_position') AS position
        FROM (SELECT id FROM unnest(event_ids) WITH ORDINALITY AS u(id, ord) WHERE id = ANY (fresh) ORDER BY ord) u
        CROSS JOIN LATERAL (SELECT ctid AS row_id FROM plait.event WHERE id = u.id LIMIT 1) f
    ) o
    WHERE e.ctid = o.row_id;

    SELECT count(*) INTO started FROM (
        SELECT plait.start_runs(array_agg(w.run_id), array_agg(w.version_id), array_agg(w.input), array_agg(w.metadata),
                                array_agg(w.priority), NULL, false, false, array_agg(2::int2), array_agg(w.event_id)) AS ids
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
    ), taken AS (
        DELETE FROM plait.waiting w USING picked p WHERE w.ctid = p.row_id
        RETURNING w.run_id, w.task, w.attempt, w.retry, w.lost, w.priority, w.action_id, w.schedule_us
    ), released AS (
        DELETE FROM plait.awaited_event a
        USING taken t CROSS JOIN LATERAL (
            SELECT ctid AS row_id FROM plait.awaited_event WHERE run_id = t.run_id AND task = t.task
            ORDER BY condition LIMIT 2147483647
        ) f
        WHERE a.ctid = f.row_id
    ), queued AS (
        INSERT INTO plait.ready (run_id, queued_at, expires_at, action_id, task, attempt, retry, lost, priority)
        SELECT run_id, plait.now(),
               CASE WHEN schedule_us >= 0 THEN plait.now() + schedule_us * interval '1 microsecond' END,
               action_id, task, attempt, retry, lost, priority
        FROM taken
        RETURNING action_id
    )
    SELECT count(*)::int, count(*) = (SELECT count(*) FROM hit) AND count(*) < most, array_agg(DISTINCT action_id)
    INTO woken, complete, actions
    FROM queued;

    IF complete THEN
        DELETE FROM plait.event_inbox WHERE event_id = ANY (held);
    ELSE
        UPDATE plait.event_inbox SET started = true WHERE event_id = ANY (held);
    END IF;
END
$function$;

-- The advisory lock between deliveries (exclusive) and parking tasks (shared).
CREATE FUNCTION plait.delivery_lock() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 482733347188::bigint';

-- Park tasks of a worker that must wait for their conditions: running -> waiting (the fence as in finish_tasks.sql).
-- A task for which an event has come that its judge did not see goes back to ready, to be judged again.
-- sleeps_us: the shortest open sleep, counted from when the parents were done; NULL: only an event releases it.
-- The wanted events come flat: position of the task in the other arrays, condition number, key, scope.
-- A task that somebody asked to cancel goes back to ready too: it is judged so.
-- Locks: runs in id order (first, so that nobody queues behind who waits for a run with the delivery lock in hand); the
-- delivery lock, shared; running rows in (run, task) order.
CREATE FUNCTION plait.park_tasks(
    worker uuid, run_ids uuid[], tasks smallint[], attempts smallint[], version_ids integer[], schedules_us bigint[],
    sleeps_us bigint[], positions bigint[], mets text[],
    wanted_of integer[], wanted_conditions smallint[], wanted_keys text[], wanted_scopes text[],
    OUT parked integer[], OUT next_due timestamptz, OUT actions integer[]
) LANGUAGE plpgsql AS $function$
BEGIN
    PERFORM 1 FROM plait.run WHERE id = ANY (run_ids) ORDER BY id FOR NO KEY UPDATE;
    IF cardinality(wanted_of) > 0 THEN
        PERFORM pg_advisory_xact_lock_shared(plait.delivery_lock());
    END IF;

    WITH asked AS MATERIALIZED (
        SELECT p.*, r.status AS run_status, r.created_at AS run_created_at,
               coalesce(p.task = ANY (r.cancel_tasks), false) AS ordered
        FROM unnest(run_ids, tasks, attempts, version_ids, schedules_us, sleeps_us, positions, mets) WITH ORDINALITY
             AS p(run_id, task, attempt, version_id, schedule_us, sleep_us, position, met, ord)
        CROSS JOIN LATERAL (SELECT status, created_at, cancel_tasks FROM plait.run WHERE id = p.run_id LIMIT 1) r
    ), fenced AS (
        DELETE FROM plait.running r
        USING asked a CROSS JOIN LATERAL (
            SELECT h.ctid AS row_id FROM plait.running h
            WHERE h.run_id = a.run_id AND h.task = a.task AND h.attempt = a.attempt AND h.worker_id = worker
            LIMIT 1
        ) held
        WHERE r.ctid = held.row_id
        RETURNING a.*, r.retry, r.lost, r.priority, r.action_id, r.queued_at
    ), accepted AS MATERIALIZED (
        SELECT f.*, coalesce(w.since, f.queued_at) AS since
        FROM fenced f
        LEFT JOIN LATERAL (SELECT since FROM plait.wait WHERE run_id = f.run_id AND task = f.task LIMIT 1) w ON true
        WHERE f.run_status = 0
    ), wanted AS MATERIALIZED (
        SELECT a.ord, a.run_id, a.task, a.version_id, a.position, a.run_created_at, w.condition, w.key, w.scope
        FROM unnest(wanted_of, wanted_conditions, wanted_keys, wanted_scopes) AS w(ord, condition, key, scope)
        JOIN accepted a ON a.ord = w.ord
    ), news AS MATERIALIZED (
        SELECT DISTINCT w.ord FROM wanted w
        WHERE (
            SELECT true FROM plait.event e
            WHERE e.key = w.key AND e.created_at >= w.run_created_at AND e.position > w.position
              AND (w.scope IS NULL OR e.scope = w.scope)
            LIMIT 1
        )
        UNION
        SELECT ord FROM accepted WHERE ordered
    ), seen AS (
        INSERT INTO plait.wait AS w (run_id, task, since, position, met)
        SELECT run_id, task, since, position, met FROM accepted
        ON CONFLICT (run_id, task) DO UPDATE SET position = excluded.position, met = excluded.met
    ), waits AS (
        INSERT INTO plait.waiting (run_id, task, attempt, retry, lost, priority, action_id, due_at, schedule_us)
        SELECT run_id, task, attempt, retry, lost, priority, action_id,
               coalesce(since + sleep_us * interval '1 microsecond', 'infinity'), schedule_us
        FROM accepted WHERE ord NOT IN (SELECT ord FROM news)
        RETURNING due_at
    ), subscribed AS (
        INSERT INTO plait.awaited_event (run_id, task, condition, version_id, position, key, scope)
        SELECT run_id, task, condition, version_id, position, key, scope
        FROM wanted WHERE ord NOT IN (SELECT ord FROM news)
        ON CONFLICT (run_id, task, condition) DO UPDATE SET position = excluded.position
    ), again AS (
        INSERT INTO plait.ready (run_id, queued_at, expires_at, action_id, task, attempt, retry, lost, priority)
        SELECT run_id, queued_at,
               CASE WHEN ordered THEN '-infinity'
                    WHEN schedule_us >= 0 THEN plait.now() + schedule_us * interval '1 microsecond' END,
               action_id, task, attempt, retry, lost, priority
        FROM accepted WHERE ord IN (SELECT ord FROM news)
        RETURNING action_id
    )
    SELECT (SELECT array_agg(ord::int) FROM accepted), (SELECT min(due_at) FROM waits WHERE due_at < 'infinity'),
           (SELECT array_agg(DISTINCT action_id) FROM again)
    INTO parked, next_due, actions;
END
$function$;

-- Runs and all that descend from them, in id order.
CREATE FUNCTION plait.list_family(roots uuid[]) RETURNS uuid[] LANGUAGE sql STABLE AS $function$
    WITH RECURSIVE family(id) AS (
        SELECT unnest(roots)
        UNION
        SELECT c.run_id FROM family f
        CROSS JOIN LATERAL (
            SELECT run_id FROM plait.child WHERE parent_run_id = f.id ORDER BY parent_task, key LIMIT 2147483647
        ) c
    )
    SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM family
$function$;

-- Cancel runs and their descendants: all of it, in one transaction. Returns the runs that this ended.
-- Locks: the runs FOR UPDATE in id order, so that no child can be started meanwhile; should one have come between looking
-- and locking, the locks are given back and all begins anew. Then the rooms, each in a statement of its own, in the
-- direction in which tasks move: a task that moves on while it is looked for is met in the next room. Waiting before
-- what is awaited, as everywhere.
CREATE FUNCTION plait.cancel_runs(wanted uuid[], why text) RETURNS uuid[] LANGUAGE plpgsql AS $function$
DECLARE
    family uuid[];
    locked uuid[];
    active uuid[];
    inherited constant text := 'the run whose task started it was cancelled';
BEGIN
    LOOP
        family := plait.list_family(wanted);
        BEGIN
            locked := ARRAY(
                SELECT id FROM (SELECT id FROM plait.run WHERE id = ANY (family) AND status = 0 ORDER BY id FOR UPDATE) r
            );
            active := ARRAY(SELECT id FROM plait.run WHERE id = ANY (family) AND status = 0);
            IF plait.list_family(wanted) <> family OR NOT active <@ locked THEN
                RAISE EXCEPTION 'the family grew' USING ERRCODE = 'PLT03';
            END IF;
            EXIT;
        EXCEPTION WHEN SQLSTATE 'PLT03' THEN
            NULL;
        END;
    END LOOP;

    WITH gone AS (
        DELETE FROM plait.waiting WHERE run_id = ANY (active) RETURNING run_id, task, attempt, retry
    )
    INSERT INTO plait.attempt (run_id, task, attempt, retry, status, finished_at, reason)
    SELECT run_id, task, attempt, retry, 3, plait.now(), CASE WHEN run_id = ANY (wanted) THEN why ELSE inherited END
    FROM gone;

    -- Twice: a reaping that is under way moves a task from running to ready.
    FOR pass IN 1..2 LOOP
        WITH place AS (
            SELECT r.id AS run_id, r.priority, a.action_id
            FROM plait.run r
            JOIN plait.workflow_version v ON v.id = r.version_id
            CROSS JOIN LATERAL unnest(v.actions) AS a(action_id)
            WHERE r.id = ANY (active)
        ), gone AS (
            DELETE FROM plait.ready q USING place p
            WHERE q.action_id = p.action_id AND q.priority = p.priority AND q.run_id = p.run_id
            RETURNING q.run_id, q.task, q.attempt, q.retry, q.queued_at
        )
        INSERT INTO plait.attempt (run_id, task, attempt, retry, status, queued_at, finished_at, reason)
        SELECT run_id, task, attempt, retry, 3, queued_at, plait.now(),
               CASE WHEN run_id = ANY (wanted) THEN why ELSE inherited END
        FROM gone;

        WITH gone AS (
            DELETE FROM plait.running WHERE run_id = ANY (active)
            RETURNING run_id, task, attempt, retry, worker_id, queued_at, started_at
        )
        INSERT INTO plait.attempt (run_id, task, attempt, retry, status, worker_id, queued_at, started_at, finished_at, reason)
        SELECT run_id, task, attempt, retry, 3, worker_id, queued_at, started_at, plait.now(),
               CASE WHEN run_id = ANY (wanted) THEN why ELSE inherited END
        FROM gone;
    END LOOP;

    DELETE FROM plait.awaited_event WHERE run_id = ANY (active);
    UPDATE plait.run SET status = greatest(worst, 3), worst = greatest(worst, 3), finished_at = plait.now()
    WHERE id = ANY (active);
    RETURN active;
END
$function$;

-- Ask for the cancellation of one task of a run that goes on. It is judged so wherever it is: what is queued or waits can
-- be claimed by any worker from now on, what runs is told by its worker. Returns whether there is something to cancel: NULL
-- when the run has ended, false when the task has.
-- Locks: the run, then the task: waiting, what it awaits, ready.
CREATE FUNCTION plait.cancel_task(of_run uuid, which smallint) RETURNS boolean LANGUAGE plpgsql AS $function$
BEGIN
    PERFORM 1 FROM plait.run WHERE id = of_run AND status = 0 FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM plait.attempt WHERE run_id = of_run AND task = which AND status > 0) THEN
        RETURN false;
    END IF;
    UPDATE plait.run SET cancel_tasks = array_append(array_remove(cancel_tasks, which), which) WHERE id = of_run;
    WITH taken AS (
        DELETE FROM plait.waiting WHERE run_id = of_run AND task = which
        RETURNING run_id, task, attempt, retry, lost, priority, action_id
    )
    INSERT INTO plait.ready (run_id, queued_at, expires_at, action_id, task, attempt, retry, lost, priority)
    SELECT run_id, plait.now(), '-infinity', action_id, task, attempt, retry, lost, priority FROM taken;
    DELETE FROM plait.awaited_event WHERE run_id = of_run AND task = which;
    UPDATE plait.ready q SET expires_at = '-infinity'
    FROM plait.run r JOIN plait.workflow_version v ON v.id = r.version_id
    WHERE r.id = of_run AND q.action_id = v.actions[which + 1] AND q.priority = r.priority AND q.run_id = of_run
      AND q.task = which;
    RETURN true;
END
$function$;

-- Replay runs that have ended, as planned from their outcomes: one JSON text, a plan an element: run_id, finished_at (as
-- it was when the plan was made), tasks (to run again), ready (those of them that may start now), pending, worst, anew (those
-- whose child runs are not to be found again). Outcomes of these tasks become history. Returns the runs replayed: one that is active, or ended again, is left alone.
-- Locks: runs in id order.
CREATE FUNCTION plait.replay_runs(plans text) RETURNS uuid[] LANGUAGE plpgsql AS $function$
DECLARE
    plan jsonb;
    old plait.run;
    begun smallint;
    again smallint[];
    replayed uuid[] := '{}';
BEGIN
    FOR plan IN SELECT p FROM jsonb_array_elements(plans::jsonb) AS e(p) ORDER BY (p ->> 'run_id')::uuid LOOP
        SELECT * INTO old FROM plait.run WHERE id = (plan ->> 'run_id')::uuid FOR UPDATE;
        CONTINUE WHEN NOT FOUND OR old.status = 0 OR old.finished_at <> (plan ->> 'finished_at')::timestamptz;
        again := ARRAY(SELECT t::int2 FROM jsonb_array_elements_text(plan -> 'tasks') AS e(t));
        SELECT coalesce(max(attempt), 0) + 1 INTO begun FROM plait.attempt WHERE run_id = old.id;
        UPDATE plait.attempt SET status = -10 - status WHERE run_id = old.id AND task = ANY (again) AND status > 0;
        DELETE FROM plait.wait WHERE run_id = old.id AND task = ANY (again);
        -- What a claim or a reaping that crossed the run's end has left behind.
        DELETE FROM plait.running WHERE run_id = old.id;
        DELETE FROM plait.ready q USING plait.workflow_version v
        WHERE v.id = old.version_id AND q.action_id = ANY (v.actions) AND q.priority = old.priority AND q.run_id = old.id;
        UPDATE plait.child SET key = '~' || begun || key
        WHERE parent_run_id = old.id
          AND parent_task = ANY (ARRAY(SELECT t::int2 FROM jsonb_array_elements_text(plan -> 'anew') AS e(t)));
        UPDATE plait.run
        SET status = 0, finished_at = NULL, worst = (plan ->> 'worst')::int2, first_attempt = begun, cancel_tasks = NULL,
            pending = ARRAY(SELECT n::int FROM jsonb_array_elements_text(plan -> 'pending') WITH ORDINALITY AS e(n, ord) ORDER BY ord)
        WHERE id = old.id;
        INSERT INTO plait.ready (run_id, queued_at, expires_at, action_id, task, attempt, retry, lost, priority)
        SELECT old.id, plait.now(),
               CASE WHEN v.schedules_us[t.task + 1] >= 0
                    THEN plait.now() + v.schedules_us[t.task + 1] * interval '1 microsecond' END,
               v.actions[t.task + 1], t.task, begun, 0, 0, old.priority
        FROM plait.workflow_version v
        CROSS JOIN LATERAL (SELECT n::int2 FROM jsonb_array_elements_text(plan -> 'ready') AS e(n)) AS t(task)
        WHERE v.id = old.version_id;
        replayed := replayed || old.id;
    END LOOP;
    RETURN replayed;
END
$function$;
