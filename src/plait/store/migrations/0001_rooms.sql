-- The rooms of a task, the runs they belong to and the definitions they follow (see ARCHITECTURE.md).
-- Hot tables carry no foreign key, no trigger and no index on a column that changes; run ids are UUIDv7, so key
-- order is time order and every key leads with the run id, ready for range partitions.

-- The one source of time. Inlined by the planner; tests replace it by a clock they can move.
CREATE FUNCTION plait.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
AS 'SELECT pg_catalog.now()';

-- The same at this very moment, where a transaction may be long.
CREATE FUNCTION plait.clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
AS 'SELECT pg_catalog.clock_timestamp()';

-- A task's code, known by its names whatever the version: what a worker can run and a claim asks for.
CREATE TABLE plait.action (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow text NOT NULL,
    task     text NOT NULL,
    UNIQUE (workflow, task)
);

-- An immutable definition. The arrays repeat what a start needs, so that it reads one row and parses nothing.
CREATE TABLE plait.workflow_version (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow   text NOT NULL,
    digest     text NOT NULL,
    definition text NOT NULL,
    actions    integer[] NOT NULL,            -- one per task, in task order
    roots      smallint[] NOT NULL,           -- indices of tasks without parents
    schedules_us bigint[] NOT NULL,           -- schedule timeouts of all tasks in microseconds, -1 for none
    pending    integer[] NOT NULL,            -- the counters a run starts with
    created_at timestamptz NOT NULL DEFAULT plait.now(),
    UNIQUE (workflow, digest)
);

CREATE TABLE plait.run (
    id          uuid PRIMARY KEY,
    created_at  timestamptz NOT NULL,
    finished_at timestamptz,
    version_id  integer NOT NULL,
    priority    smallint NOT NULL CHECK (priority BETWEEN 1 AND 3),
    status      smallint NOT NULL DEFAULT 0,  -- 0 until every task is terminal, then the outcome
    worst       smallint NOT NULL DEFAULT 2,  -- the greatest outcome among its terminal tasks so far
    pending     integer[] NOT NULL,           -- parents that each join still waits for, then sinks the end waits for
    input       bytea NOT NULL,
    metadata    jsonb,
    CONSTRAINT run_status_known CHECK (status IN (0, 2, 3, 4) AND worst IN (2, 3, 4)),
    CONSTRAINT run_ends_with_a_time CHECK ((status = 0) = (finished_at IS NULL)),
    CONSTRAINT run_counters_not_negative CHECK (0 <= ALL (pending))
) WITH (fillfactor = 45);  -- room for one more version of every row, 8 bytes longer once it has ended: all its updates stay HOT

-- Keys that make a trigger happen once; apart from run because run's own keys all lead with the run id.
CREATE TABLE plait.idempotency_key (
    workflow   text NOT NULL,
    key        text NOT NULL,
    run_id     uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT plait.now(),
    PRIMARY KEY (workflow, key)
);

CREATE TABLE plait.ready (
    run_id     uuid NOT NULL,
    queued_at  timestamptz NOT NULL,
    expires_at timestamptz,                   -- end of the schedule timeout, where there is one
    action_id  integer NOT NULL,
    task       smallint NOT NULL,
    attempt    smallint NOT NULL,
    retry      smallint NOT NULL,             -- retries of the user's spent so far
    lost       smallint NOT NULL,             -- attempts whose worker died
    priority   smallint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 1000000);
CREATE UNIQUE INDEX ready_order ON plait.ready (action_id, priority DESC, run_id, task);
CREATE INDEX ready_expiry ON plait.ready (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE plait.waiting (
    run_id      uuid NOT NULL,
    due_at      timestamptz NOT NULL,
    schedule_us bigint NOT NULL,              -- schedule timeout that begins when it becomes ready, -1 for none
    action_id   integer NOT NULL,
    task        smallint NOT NULL,
    attempt     smallint NOT NULL,
    retry       smallint NOT NULL,
    lost        smallint NOT NULL,
    priority    smallint NOT NULL,
    PRIMARY KEY (run_id, task)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX waiting_due ON plait.waiting (due_at);

CREATE TABLE plait.running (
    run_id      uuid NOT NULL,
    worker_id   uuid NOT NULL,
    queued_at   timestamptz NOT NULL,
    started_at  timestamptz NOT NULL,
    action_id   integer NOT NULL,
    task        smallint NOT NULL,
    attempt     smallint NOT NULL,
    retry       smallint NOT NULL,
    lost        smallint NOT NULL,
    priority    smallint NOT NULL,
    PRIMARY KEY (run_id, task)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 1000000);

-- Append-only history. A positive status is the task's outcome; a negative one an attempt that did not end it.
CREATE TABLE plait.attempt (
    run_id      uuid NOT NULL,
    worker_id   uuid,
    queued_at   timestamptz,
    started_at  timestamptz,
    finished_at timestamptz NOT NULL,
    task        smallint NOT NULL,
    attempt     smallint NOT NULL,
    retry       smallint NOT NULL,
    status      smallint NOT NULL CHECK (status IN (-3, -2, -1, 1, 2, 3, 4)),
    output      bytea,
    error       bytea,                        -- JSON: type, message, trace
    reason      text,                         -- why it was skipped, cancelled, lost or handed back
    PRIMARY KEY (run_id, task, attempt)
);

CREATE TABLE plait.worker (
    id           uuid PRIMARY KEY,
    name         text NOT NULL,
    host         text NOT NULL,
    pid          integer NOT NULL,
    slots        integer NOT NULL,
    lease_us     bigint NOT NULL,             -- silence after which it is declared dead, in microseconds
    labels       jsonb,
    actions      integer[] NOT NULL,
    plait        text NOT NULL,               -- version of Plait it runs
    started_at   timestamptz NOT NULL DEFAULT plait.now(),
    heartbeat_at timestamptz NOT NULL DEFAULT plait.now(),
    ended_at     timestamptz                  -- set when it stopped or was declared dead
) WITH (fillfactor = 50);

CREATE INDEX worker_live ON plait.worker (id) WHERE ended_at IS NULL;

-- Who runs the maintenance loops; one row, renewed by its holder.
CREATE TABLE plait.lease (
    name       text PRIMARY KEY,
    holder     uuid NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Start runs: insert them and their root tasks, in one commit; a run id that is there already starts nothing.
-- An idempotency key that is taken starts nothing either, and gives the id of the run that has it.
-- Called by Plait and, through any driver, inside the transaction of the user.
CREATE FUNCTION plait.start_runs(
    run_ids uuid[], version_ids integer[], inputs bytea[], metadatas text[], priorities smallint[],
    idempotency_keys text[] DEFAULT NULL, notify boolean DEFAULT false, own_transaction boolean DEFAULT false
) RETURNS uuid[] LANGUAGE plpgsql AS $function$
DECLARE
    effective uuid[] := run_ids;
    -- For a user's transaction the time of the call: the transaction may have begun long before.
    moment timestamptz := CASE WHEN own_transaction THEN plait.clock() ELSE plait.now() END;
    woken text;
    timed boolean;
    known integer;
BEGIN
    IF idempotency_keys IS NOT NULL THEN
        -- DO UPDATE, not DO NOTHING: it waits for a concurrent holder and returns that holder's row.
        WITH wanted AS (
            SELECT w.ord, v.workflow, w.key, w.run_id
            FROM unnest(run_ids, version_ids, idempotency_keys) WITH ORDINALITY AS w(run_id, version_id, key, ord)
            JOIN plait.workflow_version v ON v.id = w.version_id
            WHERE w.key IS NOT NULL
        ), first AS (
            SELECT DISTINCT ON (workflow, key) workflow, key, run_id FROM wanted ORDER BY workflow, key, ord
        ), held AS (
            INSERT INTO plait.idempotency_key AS k (workflow, key, run_id)
            SELECT workflow, key, run_id FROM first ORDER BY workflow, key
            ON CONFLICT (workflow, key) DO UPDATE SET run_id = k.run_id
            RETURNING k.workflow, k.key, k.run_id
        )
        SELECT array_agg(coalesce(h.run_id, r.run_id) ORDER BY r.ord) INTO effective
        FROM unnest(run_ids) WITH ORDINALITY AS r(run_id, ord)
        LEFT JOIN wanted w ON w.ord = r.ord
        LEFT JOIN held h ON h.workflow = w.workflow AND h.key = w.key;
    END IF;

    WITH wanted AS MATERIALIZED (
        SELECT w.run_id, w.version_id, w.input, w.metadata, w.priority, v.pending
        FROM unnest(run_ids, effective, version_ids, inputs, metadatas, priorities)
             AS w(run_id, effective_id, version_id, input, metadata, priority)
        JOIN plait.workflow_version v ON v.id = w.version_id
        WHERE w.run_id = w.effective_id
    ), started AS (
        INSERT INTO plait.run (id, created_at, version_id, priority, pending, input, metadata)
        SELECT run_id, moment, version_id, priority, pending, input, metadata::jsonb FROM wanted
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

-- The same for the user's own transaction, through any driver: one JSON text in, and a hint to sleeping workers when
-- that transaction commits. `json`, not `jsonb`: the input is kept to the letter.
CREATE FUNCTION plait.enqueue(requests text) RETURNS uuid[] LANGUAGE sql AS $function$
    SELECT plait.start_runs(
        array_agg((e ->> 'run_id')::uuid ORDER BY ord), array_agg((e ->> 'version_id')::int ORDER BY ord),
        array_agg(convert_to((e -> 'input')::text, 'UTF8') ORDER BY ord),
        array_agg(e ->> 'metadata' ORDER BY ord), array_agg((e ->> 'priority')::int2 ORDER BY ord),
        array_agg(e ->> 'idempotency_key' ORDER BY ord), true, true)
    FROM json_array_elements(requests::json) WITH ORDINALITY AS r(e, ord)
$function$;
