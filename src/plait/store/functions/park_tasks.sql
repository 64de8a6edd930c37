-- Park tasks of a worker that must wait for their conditions: running -> waiting (the fence as in finish_tasks.sql).
-- A task for which an event has come that its judge did not see goes back to ready, to be judged again.
-- sleeps_us: the shortest open sleep, counted from when the parents were done; NULL: only an event releases it.
-- The wanted events come flat: position of the task in the other arrays, condition number, key, scope.
-- A task that somebody asked to cancel goes back to ready too: it is judged so.
-- Locks: runs in id order (first, so that nobody queues behind who waits for a run with the delivery lock in hand); the
-- delivery lock, shared; running rows in (run, task) order.
CREATE OR REPLACE FUNCTION plait.park_tasks(
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
        SELECT p.*, r.status AS run_status, r.position AS place, coalesce(r.events_from, r.position) AS events_from,
               coalesce(p.task = ANY (r.cancel_tasks), false) AS ordered
        FROM unnest(run_ids, tasks, attempts, version_ids, schedules_us, sleeps_us, positions, mets) WITH ORDINALITY
             AS p(run_id, task, attempt, version_id, schedule_us, sleep_us, position, met, ord)
        CROSS JOIN LATERAL (
            SELECT status, position, events_from, cancel_tasks FROM plait.run WHERE id = p.run_id LIMIT 1
        ) r
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
        WHERE f.run_status = plait.open()
    ), wanted AS MATERIALIZED (
        SELECT a.ord, a.run_id, a.task, a.version_id, a.position, a.events_from, w.condition, w.key, w.scope
        FROM unnest(wanted_of, wanted_conditions, wanted_keys, wanted_scopes) AS w(ord, condition, key, scope)
        JOIN accepted a ON a.ord = w.ord
    ), news AS MATERIALIZED (
        SELECT DISTINCT w.ord FROM wanted w
        WHERE (
            SELECT true FROM plait.event e
            WHERE e.key = w.key AND e.position > greatest(w.position, w.events_from) AND e.pushed > w.events_from
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
        INSERT INTO plait.waiting (run_id, position, task, attempt, retry, lost, priority, action_id, due_at, schedule_us)
        SELECT run_id, place, task, attempt, retry, lost, priority, action_id,
               coalesce(since + sleep_us * interval '1 microsecond', 'infinity'), schedule_us
        FROM accepted WHERE ord NOT IN (SELECT ord FROM news)
        RETURNING due_at
    ), subscribed AS (
        INSERT INTO plait.awaited_event (run_id, task, condition, version_id, position, key, scope)
        SELECT run_id, task, condition, version_id, position, key, scope
        FROM wanted WHERE ord NOT IN (SELECT ord FROM news)
        ON CONFLICT (run_id, task, condition) DO UPDATE SET position = excluded.position
    ), again AS (
        INSERT INTO plait.ready (run_id, position, queued_at, expires_at, action_id, task, attempt, retry, lost, priority)
        SELECT run_id, place, queued_at,
               CASE WHEN ordered THEN '-infinity'
                    ELSE plait.end_of_schedule(plait.now(), schedule_us) END,
               action_id, task, attempt, retry, lost, priority
        FROM accepted WHERE ord IN (SELECT ord FROM news)
        RETURNING action_id
    )
    SELECT (SELECT array_agg(ord::int) FROM accepted), (SELECT min(due_at) FROM waits WHERE due_at < 'infinity'),
           (SELECT array_agg(DISTINCT action_id) FROM again)
    INTO parked, next_due, actions;
END
$function$;
