-- Runs that time starts: again and again (cron), or once (scheduled).

CREATE TABLE plait.cron (
    id          uuid PRIMARY KEY,
    created_at  timestamptz NOT NULL DEFAULT plait.now(),
    next_at     timestamptz,                  -- the first fire time that nobody has looked at yet; NULL: paused, or never
    last_at     timestamptz,                  -- the newest fire time that got a run
    bound_us    bigint NOT NULL,              -- how old a missed time may be to be made up for, in microseconds
    priority    smallint NOT NULL CHECK (priority BETWEEN 1 AND 3),
    declared    boolean NOT NULL,             -- with the workflow, as opposed to at run time
    paused      boolean NOT NULL DEFAULT false,
    workflow    text NOT NULL,
    name        text NOT NULL,
    expression  text NOT NULL,
    timezone    text NOT NULL,
    catch_up    text NOT NULL CHECK (catch_up IN ('none', 'latest', 'all')),
    input       bytea NOT NULL,
    metadata    jsonb,
    UNIQUE (workflow, name),
    CONSTRAINT cron_paused_is_not_due CHECK (NOT paused OR next_at IS NULL)
);
CREATE INDEX cron_due ON plait.cron (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE plait.scheduled (
    id          uuid PRIMARY KEY,
    created_at  timestamptz NOT NULL DEFAULT plait.now(),
    run_at      timestamptz NOT NULL,
    run_id      uuid,                         -- the run, once it was started
    version_id  integer NOT NULL,             -- started unless another version is served by then
    priority    smallint NOT NULL CHECK (priority BETWEEN 1 AND 3),
    workflow    text NOT NULL,
    input       bytea NOT NULL,
    metadata    jsonb
);
CREATE INDEX scheduled_due ON plait.scheduled (run_at) WHERE run_id IS NULL;
CREATE INDEX scheduled_time ON plait.scheduled (run_at, id);

-- The version that time starts of a workflow: what is served now, else the newest that is stored.
CREATE FUNCTION plait.find_version(of_workflow text) RETURNS integer LANGUAGE sql STABLE AS $function$
    SELECT coalesce(
        (SELECT version_id FROM plait.workflow WHERE name = of_workflow),
        (SELECT max(id) FROM plait.workflow_version WHERE workflow = of_workflow))
$function$;

-- Fire crons: start the runs of some of their fire times and move each on to its next, in one commit. `dues` are what
-- their next_at was when the times were chosen: who comes second finds another one there and does nothing, so that every
-- fire time is dealt with exactly once. The runs come flat: position of the cron, run, fire time, and the same as text
-- for the task to read. Returns how many crons were moved on, and how many runs were started.
-- Locks: the crons, skipping locked ones: whoever has one is firing or changing it.
CREATE FUNCTION plait.fire_crons(
    cron_ids uuid[], dues timestamptz[], nexts timestamptz[],
    run_crons integer[], run_ids uuid[], fires timestamptz[], fire_texts text[],
    OUT moved integer, OUT started integer
) LANGUAGE sql AS $function$
    WITH held AS MATERIALIZED (
        SELECT c.id, w.ord
        FROM unnest(cron_ids, dues) WITH ORDINALITY AS w(id, due, ord)
        JOIN plait.cron c ON c.id = w.id AND c.next_at = w.due
        FOR UPDATE OF c SKIP LOCKED
    ), moved AS (
        UPDATE plait.cron c
        SET next_at = nexts[h.ord],
            last_at = coalesce((SELECT max(fire) FROM unnest(run_crons, fires) AS f(cron, fire) WHERE f.cron = h.ord), c.last_at)
        FROM held h
        WHERE c.id = h.id
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
            NULL, true, false, array_agg(3::int2), array_agg(id)) AS ids
        FROM runs
        HAVING count(*) > 0
    )
    SELECT (SELECT count(*)::int FROM moved), coalesce((SELECT cardinality(ids) FROM started), 0)
$function$;

-- Start scheduled runs that are due, each once. Returns how many.
-- Locks: the scheduled rows, skipping locked ones: whoever has one is starting, moving or deleting it.
CREATE FUNCTION plait.start_scheduled(scheduled_ids uuid[], new_run_ids uuid[]) RETURNS integer LANGUAGE sql AS $function$
    WITH held AS MATERIALIZED (
        SELECT s.id, w.run_id
        FROM unnest(scheduled_ids, new_run_ids) AS w(id, run_id)
        JOIN plait.scheduled s ON s.id = w.id AND s.run_id IS NULL AND s.run_at <= plait.now()
        FOR UPDATE OF s SKIP LOCKED
    ), moved AS (
        UPDATE plait.scheduled s SET run_id = h.run_id FROM held h WHERE s.id = h.id RETURNING s.*
    ), runs AS MATERIALIZED (
        SELECT m.*, coalesce((SELECT version_id FROM plait.workflow WHERE name = m.workflow), m.version_id) AS start_version
        FROM moved m
        ORDER BY m.run_at, m.run_id
    ), started AS MATERIALIZED (
        SELECT plait.start_runs(
            array_agg(run_id), array_agg(start_version), array_agg(input), array_agg(metadata::text), array_agg(priority),
            NULL, true, false, array_agg(4::int2), array_agg(id)) AS ids
        FROM runs
        HAVING count(*) > 0
    )
    SELECT coalesce((SELECT cardinality(ids) FROM started), 0)
$function$;

-- Store scheduled runs, each once however often it is sent. Refuses (PLT01) when a version is not stored here.
CREATE FUNCTION plait.schedule_runs(
    ids uuid[], version_ids integer[], run_ats timestamptz[], inputs bytea[], metadatas text[], priorities smallint[]
) RETURNS void LANGUAGE plpgsql AS $function$
BEGIN
    INSERT INTO plait.scheduled (id, workflow, version_id, run_at, input, metadata, priority)
    SELECT w.id, v.workflow, v.id, w.run_at, w.input, w.metadata::jsonb, w.priority
    FROM unnest(ids, version_ids, run_ats, inputs, metadatas, priorities)
         AS w(id, version_id, run_at, input, metadata, priority)
    JOIN plait.workflow_version v ON v.id = w.version_id
    ON CONFLICT (id) DO NOTHING;
    IF (SELECT count(*) FROM plait.scheduled WHERE id = ANY (ids)) < cardinality(ids) THEN
        RAISE EXCEPTION 'a workflow version that is to be run is not stored here' USING ERRCODE = 'PLT01';
    END IF;
END
$function$;

-- The same inside the user's own transaction, from one JSON text, with a hint when it commits.
CREATE FUNCTION plait.enqueue_scheduled(requests text) RETURNS void LANGUAGE sql AS $function$
    SELECT plait.schedule_runs(
        array_agg((e ->> 'id')::uuid), array_agg((e ->> 'version_id')::int), array_agg((e ->> 'run_at')::timestamptz),
        array_agg(convert_to((e -> 'input')::text, 'UTF8')), array_agg(e ->> 'metadata'),
        array_agg((e ->> 'priority')::int2))
    FROM json_array_elements(requests::json) AS r(e);
    SELECT pg_notify('plait_timer', '');
$function$;
