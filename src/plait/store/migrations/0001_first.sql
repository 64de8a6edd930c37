-- The schema of the first release: the rooms of a task, the runs they belong to, the definitions they follow, and what
-- starts runs (see ARCHITECTURE.md). Functions and views stand in folders of their own.
-- Hot tables carry no foreign key, no trigger and no index on a column that changes; run ids are UUIDv7, so key order is
-- time order, and every key leads with the run id, ready for range partitions.

CREATE SCHEMA IF NOT EXISTS plait;
COMMENT ON SCHEMA plait IS 'Plait: durable workflows. For reading, there are the views plait.runs and plait.tasks.';

CREATE TABLE plait.migration (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    works_with integer NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE plait.migration IS 'A migration that was applied here.';
COMMENT ON COLUMN plait.migration.works_with IS 'the oldest schema whose code works with this one, too';

-- Defaults of columns need them here.
-- Include functions/now.sql.
-- Include functions/clock.sql.

CREATE TABLE plait.action (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow text NOT NULL,
    task     text NOT NULL,
    format   smallint NOT NULL DEFAULT 1,
    UNIQUE (workflow, task, format)
);
COMMENT ON TABLE plait.action IS
    'A task''s code, known by its names whatever the version: what a worker can run and a claim asks for.';
COMMENT ON COLUMN plait.action.format IS
    'of the definitions that it stands in: a Plait that cannot read them claims none of their tasks';

-- The arrays repeat what a start needs, so that it reads one row and parses nothing.
CREATE TABLE plait.workflow_version (
    id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow     text NOT NULL,
    digest       text NOT NULL,
    definition   text NOT NULL,
    actions      integer[] NOT NULL,
    roots        smallint[] NOT NULL,
    schedules_us bigint[] NOT NULL,
    pending      integer[] NOT NULL,
    awaits_events boolean NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT plait.now(),
    UNIQUE (workflow, digest)
);
COMMENT ON TABLE plait.workflow_version IS 'A definition of a workflow. It never changes.';
COMMENT ON COLUMN plait.workflow_version.actions IS 'one per task, in the order of the tasks';
COMMENT ON COLUMN plait.workflow_version.roots IS 'the tasks without parents, by their numbers from 0';
COMMENT ON COLUMN plait.workflow_version.schedules_us IS
    'the schedule timeout of each task in microseconds, -1 for none';
COMMENT ON COLUMN plait.workflow_version.pending IS 'the counters that a run starts with';
COMMENT ON COLUMN plait.workflow_version.awaits_events IS 'whether one of its tasks waits for events';

CREATE TABLE plait.workflow (
    name       text PRIMARY KEY,
    version_id integer NOT NULL,
    crons_of   integer,
    on_events  text[] NOT NULL,
    served_at  timestamptz NOT NULL DEFAULT plait.now()
);
COMMENT ON TABLE plait.workflow IS
    'A workflow that workers serve, with the version that events, crons and schedules start.';
COMMENT ON COLUMN plait.workflow.version_id IS
    'the newest version that a live worker has, or the last one that had been that';
COMMENT ON COLUMN plait.workflow.crons_of IS 'the version whose declared crons are in plait.cron';
COMMENT ON COLUMN plait.workflow.on_events IS 'patterns of the event keys that start it';

-- What comes before what, where that matters: clocks step back, are wrong, and differ; this does not.
CREATE SEQUENCE plait.position;

CREATE TABLE plait.run (
    id            uuid PRIMARY KEY,
    position      bigint NOT NULL DEFAULT nextval('plait.position'),
    created_at    timestamptz NOT NULL,
    finished_at   timestamptz,
    version_id    integer NOT NULL,
    priority      smallint NOT NULL CHECK (priority BETWEEN 1 AND 3),
    status        smallint NOT NULL DEFAULT 0,
    worst         smallint NOT NULL DEFAULT 2,
    pending       integer[] NOT NULL,
    input         bytea NOT NULL,
    metadata      jsonb,
    -- NULL in plain runs, which they cost nothing. None is indexed but the trigger, which never changes.
    trigger_kind  smallint,
    trigger_task  smallint,
    trigger_id    uuid,
    events_from   bigint,
    first_attempt smallint,
    cancel_tasks  smallint[],
    CONSTRAINT run_status_known CHECK (status IN (0, 2, 3, 4) AND worst IN (2, 3, 4)),
    CONSTRAINT run_ends_with_a_time CHECK ((status = 0) = (finished_at IS NULL)),
    CONSTRAINT run_counters_not_negative CHECK (0 <= ALL (pending))
) WITH (fillfactor = 45);  -- room for one more version of every row, 8 bytes longer once it has ended: all its updates stay HOT
CREATE INDEX run_age ON plait.run (created_at, position);
CREATE INDEX run_trigger ON plait.run (trigger_id, id) WHERE trigger_kind > 1;
CREATE INDEX run_events ON plait.run (events_from) WHERE events_from IS NOT NULL;
COMMENT ON TABLE plait.run IS 'A run: one execution of a workflow. In words: the view plait.runs.';
COMMENT ON COLUMN plait.run.position IS 'its place among all runs as they were triggered: those before it go first';
COMMENT ON COLUMN plait.run.priority IS '1 low, 2 medium, 3 high';
COMMENT ON COLUMN plait.run.status IS
    '0 open: not every task is terminal yet; then the outcome: 2 completed, 3 cancelled, 4 failed';
COMMENT ON COLUMN plait.run.worst IS 'the greatest outcome among its terminal tasks so far: 2, 3 or 4, as in status';
COMMENT ON COLUMN plait.run.pending IS 'parents that each join still waits for, then sinks that the end waits for';
COMMENT ON COLUMN plait.run.input IS 'JSON, as UTF-8';
COMMENT ON COLUMN plait.run.trigger_kind IS
    'what started it: 1 a parent''s task, 2 an event, 3 a cron, 4 a scheduled run, 5 a replay; NULL: a program';
COMMENT ON COLUMN plait.run.trigger_task IS 'of a child run: the number of the parent''s task';
COMMENT ON COLUMN plait.run.trigger_id IS 'the parent run, event, cron, scheduled run or replayed run';
COMMENT ON COLUMN plait.run.events_from IS
    'where a task of it waits for events: those that were pushed behind this position count';
COMMENT ON COLUMN plait.run.first_attempt IS
    'the number of the first attempt of what is freed after a replay; NULL: 1';
COMMENT ON COLUMN plait.run.cancel_tasks IS 'tasks that somebody asked to cancel; they are judged so';

-- Apart from run because run's own keys all lead with the run id.
CREATE TABLE plait.idempotency_key (
    workflow text NOT NULL,
    key      text NOT NULL,
    run_id   uuid NOT NULL,
    PRIMARY KEY (workflow, key)
);
CREATE INDEX idempotency_key_run ON plait.idempotency_key (run_id);  -- a key goes with its run
COMMENT ON TABLE plait.idempotency_key IS 'A key that makes a trigger happen once, with the run that it started.';

-- While a transaction holds a snapshot PostgreSQL removes nothing, and who looks for the first of the queue would walk over
-- all that were there before. So whoever looks begins where something may be: see sql/turn_eras.sql.
CREATE TABLE plait.era (
    era     integer PRIMARY KEY,
    state   smallint NOT NULL DEFAULT 0,
    writers text[]
);
COMMENT ON TABLE plait.era IS 'A stretch of the queue: those in which there may be ready tasks.';
COMMENT ON COLUMN plait.era.state IS
    '0 open or yet to come; 1 another one is current; 2 it is known who may still write into it; 3 nobody may';
COMMENT ON COLUMN plait.era.writers IS 'the transactions that wrote to ready when the next era had begun';
CREATE SEQUENCE plait.era_now AS integer;
SELECT setval('plait.era_now', 1);
INSERT INTO plait.era (era) VALUES (1);

CREATE TABLE plait.ready (
    run_id     uuid NOT NULL,
    position   bigint NOT NULL,
    queued_at  timestamptz NOT NULL,
    expires_at timestamptz,
    era        integer NOT NULL,
    action_id  integer NOT NULL,
    task       smallint NOT NULL,
    attempt    smallint NOT NULL,
    retry      smallint NOT NULL,
    lost       smallint NOT NULL,
    priority   smallint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 1000000);
CREATE UNIQUE INDEX ready_order ON plait.ready (era, action_id, priority DESC, position, task);
CREATE INDEX ready_suspect ON plait.ready (era, action_id, priority DESC, position, task) WHERE lost > 0;
CREATE INDEX ready_expiry ON plait.ready (era, expires_at) WHERE expires_at IS NOT NULL;
COMMENT ON TABLE plait.ready IS 'A task that may start now: the queue.';
COMMENT ON COLUMN plait.ready.position IS 'that of its run: the oldest run goes first';
COMMENT ON COLUMN plait.ready.era IS 'the era that was current when it came';
COMMENT ON COLUMN plait.ready.expires_at IS 'the end of its schedule timeout, where there is one';
COMMENT ON COLUMN plait.ready.task IS 'its number in the workflow, from 0';
COMMENT ON COLUMN plait.ready.retry IS 'how many of its retries are spent';
COMMENT ON COLUMN plait.ready.lost IS
    'how many of its attempts were lost with their worker; above 0 it is a suspect: it may be what ended them';
COMMENT ON COLUMN plait.ready.priority IS '1 low, 2 medium, 3 high';

CREATE TABLE plait.waiting (
    run_id      uuid NOT NULL,
    position    bigint NOT NULL,
    due_at      timestamptz NOT NULL,
    schedule_us bigint NOT NULL,
    action_id   integer NOT NULL,
    task        smallint NOT NULL,
    attempt     smallint NOT NULL,
    retry       smallint NOT NULL,
    lost        smallint NOT NULL,
    priority    smallint NOT NULL,
    PRIMARY KEY (run_id, task)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX waiting_due ON plait.waiting (due_at);
CREATE INDEX waiting_position ON plait.waiting (position);
COMMENT ON TABLE plait.waiting IS 'A task that waits for a time or an event: its next retry, or its conditions.';
COMMENT ON COLUMN plait.waiting.position IS 'that of its run';
COMMENT ON COLUMN plait.waiting.due_at IS 'when it goes to ready; infinity: only an event releases it';
COMMENT ON COLUMN plait.waiting.schedule_us IS
    'the schedule timeout in microseconds that begins when it becomes ready, -1 for none';

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
COMMENT ON TABLE plait.running IS 'A task that a worker holds. Deleting its row is the permission to store an outcome.';

CREATE TABLE plait.attempt (
    run_id      uuid NOT NULL,
    worker_id   uuid,
    queued_at   timestamptz,
    started_at  timestamptz,
    finished_at timestamptz NOT NULL,
    task        smallint NOT NULL,
    attempt     smallint NOT NULL,
    retry       smallint NOT NULL,
    status      smallint NOT NULL,
    output      bytea,
    error       bytea,
    reason      text,
    PRIMARY KEY (run_id, task, attempt),
    CONSTRAINT attempt_status_known
        CHECK (status BETWEEN -3 AND -1 OR status BETWEEN 1 AND 4 OR status BETWEEN -14 AND -11)
);
COMMENT ON TABLE plait.attempt IS
    'An attempt of a task that has ended. Only added to. Tasks in words: the view plait.tasks.';
COMMENT ON COLUMN plait.attempt.status IS
    'above 0 the outcome of its task: 1 skipped, 2 completed, 3 cancelled, 4 failed; -1 to -3 an attempt that did not end '
    'it: -1 released (its worker handed it back), -2 lost (its worker died), -3 retried (it failed and is tried again); '
    '-11 to -14 the outcomes 1 to 4 that a replay has superseded';
COMMENT ON COLUMN plait.attempt.output IS 'JSON, as UTF-8';
COMMENT ON COLUMN plait.attempt.error IS 'JSON, as UTF-8: type, message, trace';
COMMENT ON COLUMN plait.attempt.reason IS 'why it was skipped, cancelled, lost or released';

CREATE TABLE plait.log (
    run_id  uuid NOT NULL,
    seq     bigint NOT NULL,
    task    smallint NOT NULL,
    attempt smallint NOT NULL,
    level   smallint NOT NULL,
    line    text NOT NULL,
    PRIMARY KEY (run_id, task, seq, attempt)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.2);
COMMENT ON TABLE plait.log IS
    'A line that a task wrote: by ctx.log, or by its logging where that is captured. Only added to.';
-- So the key is the order of the lines of a task, lines of several tasks can be merged by it, and sending a batch again
-- adds nothing.
COMMENT ON COLUMN plait.log.seq IS 'microseconds since 1970 by the clock of the worker, each used once by a process';
COMMENT ON COLUMN plait.log.level IS 'as Python''s logging counts: 10 debug, 20 info, 30 warning, 40 error, 50 critical';

CREATE TABLE plait.worker (
    id           uuid PRIMARY KEY,
    name         text NOT NULL,
    host         text NOT NULL,
    pid          integer NOT NULL,
    slots        integer NOT NULL,
    lease_us     bigint NOT NULL,
    labels       jsonb,
    actions      integer[] NOT NULL,
    actions_hash bigint,
    versions     integer[] NOT NULL DEFAULT '{}',
    plait        text NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT plait.now(),
    heartbeat_at timestamptz NOT NULL DEFAULT plait.now(),
    watched_us   bigint NOT NULL DEFAULT 0,
    ended_at     timestamptz,
    pace         integer[],
    ending       text,
    begun        text[],
    clock_ms     bigint,
    switched_off text[],
    CONSTRAINT worker_ending_known CHECK (ending IN ('stopped', 'died', 'silent', 'stalled', 'unreachable'))
) WITH (fillfactor = 50);
CREATE INDEX worker_live ON plait.worker (id) WHERE ended_at IS NULL;
CREATE INDEX worker_ended ON plait.worker (ended_at) WHERE ended_at IS NOT NULL;
COMMENT ON TABLE plait.worker IS 'A worker process.';
COMMENT ON COLUMN plait.worker.lease_us IS 'the silence after which it is declared dead, in microseconds';
COMMENT ON COLUMN plait.worker.watched_us IS 'what plait.watch said at its last heartbeat: its silence counts from there';
COMMENT ON COLUMN plait.worker.actions_hash IS
    'of its actions: workers with the same one have the same code, as far as claims go, and are compared by it alone';
COMMENT ON COLUMN plait.worker.versions IS 'the versions of its workflows that it declares';
COMMENT ON COLUMN plait.worker.plait IS 'the version of Plait that it runs';
COMMENT ON COLUMN plait.worker.ended_at IS 'when it stopped or was declared dead';
COMMENT ON COLUMN plait.worker.ending IS
    'how it ended: stopped in good order; died, as its supervisor saw; silent, its lease ended and nothing was heard since; '
    'stalled or unreachable, its lease ended because the process stood still, or because the database did not answer it';
COMMENT ON COLUMN plait.worker.begun IS 'of the suspects that it holds: run, task and attempt of those whose code has begun';
COMMENT ON COLUMN plait.worker.clock_ms IS
    'by how many milliseconds its clock was ahead of the database''s at its last heartbeat';
COMMENT ON COLUMN plait.worker.switched_off IS
    'expressions (their beginnings) that it evaluates no more for a while, because they took too much CPU; NULL: none';
-- By its own counting, written with the heartbeat: whoever watches adds up a row per worker and reads no history.
COMMENT ON COLUMN plait.worker.pace IS
    'of the last 10, 60 and 300 seconds each: how many attempts ended, and how many of these failed (retries to come or '
    'not); NULL: not told yet';

CREATE TABLE plait.lease (
    name       text PRIMARY KEY,
    holder     uuid NOT NULL,
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE plait.lease IS 'Who runs the maintenance, renewed by its holder.';

CREATE TABLE plait.watch (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    watched_us bigint NOT NULL
);
COMMENT ON TABLE plait.watch IS 'For how long the leaders together have watched the workers, by their monotonic clocks.';

CREATE TABLE plait.child (
    parent_run_id uuid NOT NULL,
    run_id        uuid NOT NULL,
    parent_task   smallint NOT NULL,
    key           text NOT NULL,
    started_in    xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (parent_run_id, parent_task, key)
);
COMMENT ON TABLE plait.child IS 'A run that a task started, by what finds it again when that task runs again.';
COMMENT ON COLUMN plait.child.started_in IS 'the transaction that started it';

CREATE TABLE plait.cancellation (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id     uuid NOT NULL,
    asked_id   uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT plait.now(),
    due_at     timestamptz NOT NULL DEFAULT plait.now(),
    as_of      pg_snapshot,
    task       smallint,
    after_task smallint NOT NULL DEFAULT -1,
    settled    boolean NOT NULL DEFAULT false,
    after_key  text NOT NULL DEFAULT '',
    reason     text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX cancellation_run ON plait.cancellation (run_id);
CREATE INDEX cancellation_due ON plait.cancellation (due_at, id);
CREATE INDEX cancellation_asked ON plait.cancellation (asked_id);
COMMENT ON TABLE plait.cancellation IS
    'An order to cancel the child runs of a run. It is gone once it is carried out: usually there is none.';
COMMENT ON COLUMN plait.cancellation.asked_id IS 'the run whose cancellation, or whose task''s, it is part of';
COMMENT ON COLUMN plait.cancellation.as_of IS
    'NULL: all child runs; else those only that were not committed at this moment: the task that was starting one had failed';
COMMENT ON COLUMN plait.cancellation.task IS 'NULL: whichever task started them';
COMMENT ON COLUMN plait.cancellation.after_task IS 'with after_key, how far it has come in the order of child''s key';
COMMENT ON COLUMN plait.cancellation.settled IS
    'whether no child run was being started when this look through them began: then it is the last';

CREATE TABLE plait.filter (
    id         uuid PRIMARY KEY,
    workflow   text NOT NULL,
    scope      text NOT NULL,
    expression text NOT NULL,
    payload    text NOT NULL,
    declared   boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT plait.now()
);
CREATE INDEX filter_workflow ON plait.filter (workflow, scope);
COMMENT ON TABLE plait.filter IS 'Which events of a scope start a workflow, with what the run is told.';
COMMENT ON COLUMN plait.filter.declared IS 'with the workflow, as opposed to at run time';

CREATE TABLE plait.event (
    id         uuid PRIMARY KEY,
    created_at timestamptz NOT NULL,
    pushed     bigint NOT NULL DEFAULT nextval('plait.position'),
    position   bigint,
    priority   smallint CHECK (priority BETWEEN 1 AND 3),
    key        text NOT NULL,
    scope      text,
    payload    bytea NOT NULL,
    metadata   jsonb
);
-- Who looks for an event again and again reads only what has come since.
CREATE INDEX event_key ON plait.event (key, position) WHERE position IS NOT NULL;
CREATE INDEX event_age ON plait.event (created_at);
COMMENT ON TABLE plait.event IS 'An event that was pushed. Only added to, but for its position.';
COMMENT ON COLUMN plait.event.pushed IS
    'its place among all events and runs when it was pushed; its transaction may be committed behind later ones';
COMMENT ON COLUMN plait.event.position IS
    'its place when it was delivered, which is also the order of commits; NULL until it is delivered';
COMMENT ON COLUMN plait.event.payload IS 'JSON, as UTF-8';

CREATE TABLE plait.event_inbox (
    pushed   bigint PRIMARY KEY,
    event_id uuid NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE plait.event_inbox IS 'An event that was pushed and not delivered yet.';
COMMENT ON COLUMN plait.event_inbox.pushed IS 'as in plait.event: the order in which events are delivered';

CREATE TABLE plait.wait (
    run_id   uuid NOT NULL,
    since    timestamptz NOT NULL,
    position bigint NOT NULL,
    task     smallint NOT NULL,
    met      text NOT NULL,
    PRIMARY KEY (run_id, task)
);
COMMENT ON TABLE plait.wait IS 'What a task with conditions has seen so far, once it had to wait.';
COMMENT ON COLUMN plait.wait.since IS 'when its parents were done: sleeps count from here';
COMMENT ON COLUMN plait.wait.position IS 'events up to here were looked at';
COMMENT ON COLUMN plait.wait.met IS 'JSON: number of an event condition -> id of the event that met it';

CREATE TABLE plait.awaited_event (
    run_id     uuid NOT NULL,
    position   bigint NOT NULL,
    version_id integer NOT NULL,
    task       smallint NOT NULL,
    condition  smallint NOT NULL,
    key        text NOT NULL,
    scope      text NOT NULL DEFAULT '',
    PRIMARY KEY (run_id, task, condition)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
-- From the tasks of one version that wait for a key it is one step to those of the next, however many there are; and of
-- these it finds those that have not looked at an event.
CREATE INDEX awaited_event_key ON plait.awaited_event (key, scope, version_id, task, position);
COMMENT ON TABLE plait.awaited_event IS 'An event key that a waiting task waits for. It goes with the row in waiting.';
COMMENT ON COLUMN plait.awaited_event.position IS 'no event up to here concerns it';
COMMENT ON COLUMN plait.awaited_event.scope IS 'empty: of any scope or none';

CREATE TABLE plait.delivery (
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL,
    version_id     integer NOT NULL,
    task           smallint NOT NULL,
    key            text NOT NULL,
    scope          text NOT NULL,
    PRIMARY KEY (key, scope, version_id, task)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX delivery_first ON plait.delivery (first_position);
COMMENT ON TABLE plait.delivery IS
    'What is left of deliveries of events that wake many: of the tasks of a version that wait for a key, some are still to be '
    'woken. Usually there is none.';
COMMENT ON COLUMN plait.delivery.first_position IS 'of the first event that concerns them';
COMMENT ON COLUMN plait.delivery.last_position IS 'of the last one: who has looked up to here is not woken';
COMMENT ON COLUMN plait.delivery.scope IS 'as in plait.awaited_event';

CREATE TABLE plait.cron (
    id          uuid PRIMARY KEY,
    created_at  timestamptz NOT NULL DEFAULT plait.now(),
    next_at     timestamptz,
    last_at     timestamptz,
    bound_us    bigint NOT NULL,
    priority    smallint NOT NULL CHECK (priority BETWEEN 1 AND 3),
    declared    boolean NOT NULL,
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
COMMENT ON TABLE plait.cron IS 'A timetable that starts runs of a workflow.';
COMMENT ON COLUMN plait.cron.next_at IS
    'the first fire time that nobody has looked at yet; NULL: it is paused, or never fires again';
COMMENT ON COLUMN plait.cron.last_at IS 'the newest fire time that got a run';
COMMENT ON COLUMN plait.cron.bound_us IS 'how old a missed time may be to be made up for, in microseconds';
COMMENT ON COLUMN plait.cron.declared IS 'with the workflow, as opposed to at run time';

CREATE TABLE plait.scheduled (
    id          uuid PRIMARY KEY,
    created_at  timestamptz NOT NULL DEFAULT plait.now(),
    run_at      timestamptz NOT NULL,
    run_id      uuid,
    version_id  integer NOT NULL,
    priority    smallint NOT NULL CHECK (priority BETWEEN 1 AND 3),
    workflow    text NOT NULL,
    input       bytea NOT NULL,
    metadata    jsonb
);
CREATE INDEX scheduled_due ON plait.scheduled (run_at) WHERE run_id IS NULL;
CREATE INDEX scheduled_time ON plait.scheduled (run_at, id);
COMMENT ON TABLE plait.scheduled IS 'A run that starts at a given time, once.';
COMMENT ON COLUMN plait.scheduled.run_id IS 'the run, once it was started';
COMMENT ON COLUMN plait.scheduled.version_id IS 'started unless another version is served by then';
