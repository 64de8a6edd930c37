-- Park tasks of a worker that must wait for their conditions: running -> waiting (the fence as in finish_tasks.sql).
-- A task for which an event has come that its judge did not see goes back to ready, to be judged again.
-- sleeps_us: the shortest open sleep, counted from when the parents were done; NULL: only an event releases it.
-- wanted: the events that would release a task, as JSON: [[number of the condition, key, scope or null], ...]; NULL: none.
-- A task that somebody asked to cancel goes back to ready too: it is judged so.
-- Locks: runs in id order (first, so that nobody queues behind who waits for a run with the delivery lock in hand); running
-- rows in (run, task) order; then, for the last look at the events, the delivery lock, shared.
CREATE OR REPLACE FUNCTION plait.park_tasks(
    worker uuid, run_ids uuid[], tasks smallint[], attempts smallint[], version_ids integer[], schedules_us bigint[],
    sleeps_us bigint[], positions bigint[], mets text[], wanted text[],
    OUT parked integer[], OUT next_due timestamptz, OUT actions integer[]
) LANGUAGE plpgsql AS $function$
DECLARE
    -- Read before the last look: whatever is delivered afterwards gets a later position.
    reached bigint := pg_sequence_last_value('plait.position');
    looked_to constant bigint := 0;
    again integer[];
BEGIN
    PERFORM FROM (SELECT DISTINCT run_id FROM unnest(run_ids) AS u(run_id) ORDER BY run_id) o
    CROSS JOIN LATERAL (SELECT FROM plait.run WHERE id = o.run_id FOR NO KEY UPDATE) r;

    WITH asked AS MATERIALIZED (
        SELECT p.*, r.status AS run_status, r.position AS place, coalesce(p.task = ANY (r.cancel_tasks), false) AS ordered
        FROM unnest(run_ids, tasks, attempts, version_ids, schedules_us, sleeps_us, positions, mets, wanted) WITH ORDINALITY
             AS p(run_id, task, attempt, version_id, schedule_us, sleep_us, position, met, events, ord)
        CROSS JOIN LATERAL (SELECT status, position, cancel_tasks FROM plait.run WHERE id = p.run_id LIMIT 1) r
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
    ), seen AS (
        INSERT INTO plait.wait AS w (run_id, task, since, position, met)
        SELECT run_id, task, since, position, met FROM accepted
        ON CONFLICT (run_id, task) DO UPDATE SET position = excluded.position, met = excluded.met
    ), waits AS (
        INSERT INTO plait.waiting (run_id, position, task, attempt, retry, lost, priority, action_id, due_at, schedule_us)
        SELECT run_id, place, task, attempt, retry, lost, priority, action_id,
               coalesce(since + sleep_us * interval '1 microsecond', 'infinity'), schedule_us
        FROM accepted WHERE NOT ordered
        RETURNING due_at
    ), subscribed AS (
        INSERT INTO plait.awaited_event (run_id, task, condition, version_id, position, key, scope)
        SELECT a.run_id, a.task, (w.event ->> 0)::int2, a.version_id, greatest(a.position, reached), w.event ->> 1,
               coalesce(w.event ->> 2, '')
        FROM accepted a CROSS JOIN LATERAL jsonb_array_elements(a.events::jsonb) AS w(event)
        WHERE NOT a.ordered
        ON CONFLICT (run_id, task, condition) DO UPDATE SET position = excluded.position
    ), freed AS (
        INSERT INTO plait.ready (run_id, position, queued_at, expires_at, era, action_id, task, attempt, retry, lost, priority)
        SELECT run_id, place, queued_at, '-infinity', (SELECT last_value FROM plait.era_now), action_id, task, attempt, retry,
               lost, priority
        FROM accepted WHERE ordered
        RETURNING action_id
    )
    SELECT (SELECT array_agg(ord::int) FROM accepted), (SELECT min(due_at) FROM waits WHERE due_at < 'infinity'),
           (SELECT array_agg(DISTINCT action_id) FROM freed)
    INTO parked, next_due, actions;

    IF parked IS NOT NULL AND array_remove(wanted, NULL) <> '{}' THEN
        PERFORM pg_advisory_xact_lock_shared(plait.delivery_lock());
        WITH picked AS MATERIALIZED (
            SELECT q.row_id
            FROM unnest(parked) AS p(ord)
            CROSS JOIN LATERAL (
                SELECT greatest(positions[p.ord], coalesce(events_from, position)) AS looked,
                       coalesce(events_from, position) AS events_from
                FROM plait.run WHERE id = run_ids[p.ord] LIMIT 1
            ) r
            CROSS JOIN LATERAL (
                SELECT ctid AS row_id FROM plait.waiting WHERE run_id = run_ids[p.ord] AND task = tasks[p.ord] LIMIT 1
            ) q
            CROSS JOIN LATERAL (
                SELECT FROM plait.awaited_event a
                CROSS JOIN LATERAL (
                    SELECT FROM plait.event e
                    WHERE e.key = a.key AND e.position > r.looked AND e.pushed > r.events_from
                      AND (a.scope = '' OR e.scope = a.scope)
                    LIMIT 1
                ) e
                WHERE a.run_id = run_ids[p.ord] AND a.task = tasks[p.ord]
                ORDER BY a.condition LIMIT 1
            ) news
            WHERE wanted[p.ord] IS NOT NULL
        ),
-- Include fragments/queue_awaken.sql.
        SELECT array_agg(DISTINCT action_id) INTO again FROM queued;
        actions := nullif(coalesce(actions, '{}') || coalesce(again, '{}'), '{}');
    END IF;
END
$function$;
