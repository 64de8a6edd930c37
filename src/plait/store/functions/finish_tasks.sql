-- Finish attempts of a worker: delete their running rows (the fence), keep their outcome, free what now may start
-- (into ready, or straight into running for this worker), send back what is retried, end the runs that are complete.
--
-- Outcomes come as arrays, sorted by (run, task); what is the same for almost all of them may be left out: unnest fills
-- shorter arrays with NULL, which means attempt 1, COMPLETED, no error. `spans` holds each outcome's first and last
-- position in the edge arrays: (first << 32) | last. An edge is (child + 1) << 48 | need << 24 | slot, child -1 being the
-- end of the run. An attempt that is retried or handed back has one edge, to itself.
-- Few arrays, because every element costs the client; subscripts instead of a second unnest, because joining two CTEs
-- would be a nested loop over both.
-- Locks: runs in id order (the input order), then running rows in (run, task) order; the order of every statement. The
-- runs are locked by a statement of their own, so that the next one sees them as they are once the locks are had: see
-- docs/decisions/0010-nobody-waits-for-a-user.md.
-- Nothing of a run in which somebody cancelled a task is continued, and that task waits for no retry: a claim tells the
-- judge which task it is.
-- With the outcome of a task that was cancelled is stored the order to cancel the runs that it started (`orders`). Of one
-- that failed only those are cancelled that come later: its code may hang in a transaction that started one (`starting`:
-- somebody beside us holds the run).
-- Counters are read only from the RETURNING of their own update. A join all of whose parents are in this batch has
-- an untouched counter and needs none.
CREATE OR REPLACE FUNCTION plait.finish_tasks(
    worker uuid, run_ids uuid[], tasks smallint[], elapsed bigint[], spans bigint[], outputs bytea[], attempts smallint[],
    statuses smallint[], errors bytea[], reasons text[], delays bigint[],
    edges bigint[], edge_actions integer[], edge_locals boolean[], edge_schedules bigint[],
    OUT accepted bigint[], OUT continued_runs uuid[], OUT continued_tasks smallint[], OUT ended_runs uuid[],
    OUT queued_actions integer[], OUT next_due timestamptz, OUT cancels boolean
) LANGUAGE plpgsql AS $function$
BEGIN
    PERFORM FROM unnest(run_ids) AS o(run_id)
    CROSS JOIN LATERAL (SELECT FROM plait.run WHERE id = o.run_id FOR NO KEY UPDATE) r;

    WITH outcome AS MATERIALIZED (
        SELECT o.ord, o.run_id, o.task, coalesce(o.attempt, 1::int2) AS attempt,
               coalesce(o.status, plait.completed()) AS status, o.output, o.error, o.reason, o.elapsed_us, o.retry_us,
               (o.span >> 32)::int4 AS first_edge, (o.span & 4294967295)::int4 AS last_edge, r.status AS run_status,
               r.position, r.first_attempt, r.cancel_tasks IS NULL AS undisturbed,
               coalesce(o.task = ANY (r.cancel_tasks), false) AS ordered, r.xmax <> pg_current_xact_id()::xid AS starting
        FROM unnest(run_ids, tasks, elapsed, spans, outputs, attempts, statuses, errors,
                    reasons, delays)
             WITH ORDINALITY AS o(run_id, task, elapsed_us, span, output, attempt, status, error, reason, retry_us, ord)
        CROSS JOIN LATERAL (
            SELECT status, position, first_attempt, cancel_tasks, xmax FROM plait.run WHERE id = o.run_id LIMIT 1
        ) r
    ), fenced AS (
        -- LIMIT keeps this a look-up per outcome: the planner often believes running to be empty, and would scan it.
        DELETE FROM plait.running r
        USING outcome o CROSS JOIN LATERAL (
            SELECT h.ctid AS row_id FROM plait.running h
            WHERE h.run_id = o.run_id AND h.task = o.task AND h.attempt = o.attempt AND h.worker_id = worker
            LIMIT 1
        ) held
        WHERE r.ctid = held.row_id
        RETURNING o.ord, o.run_status, r.run_id, r.task, r.attempt, r.retry, r.lost, r.priority, r.action_id, r.queued_at,
                  r.started_at, o.status, o.output, o.error, o.reason, o.elapsed_us, o.retry_us, o.first_edge, o.last_edge,
                  o.position, o.first_attempt, o.undisturbed, o.ordered, o.starting
    ), accepted AS MATERIALIZED (
        SELECT * FROM fenced WHERE run_status = plait.open()
    ), history AS (
        INSERT INTO plait.attempt
            (run_id, task, attempt, retry, status, worker_id, queued_at, started_at, finished_at, output, error, reason)
        SELECT run_id, task, attempt, retry, status, worker, queued_at, started_at,
               greatest(started_at, least(plait.now(), started_at + elapsed_us * interval '1 microsecond')), output, error,
               reason
        FROM accepted
    ), put_back AS (
        INSERT INTO plait.waiting (run_id, position, task, attempt, retry, lost, priority, action_id, due_at, schedule_us)
        SELECT run_id, position, task, attempt + 1, (retry + CASE status WHEN plait.retried() THEN 1 ELSE 0 END)::int2, lost,
               priority, action_id, plait.now() + retry_us * interval '1 microsecond', coalesce(edge_schedules[first_edge], -1)
        FROM accepted WHERE NOT plait.is_outcome(status) AND retry_us > 0 AND NOT ordered
        RETURNING due_at
    ), orders AS (
        INSERT INTO plait.cancellation (run_id, asked_id, task, as_of, reason)
        SELECT a.run_id, a.run_id, a.task, CASE WHEN a.status = plait.failed() THEN pg_current_snapshot() END,
               format(CASE WHEN a.status = plait.failed()
                           THEN 'the task that started it, %L, had failed by then: it gave up that attempt'
                           ELSE 'the task that started it, %L, was cancelled' END,
                      (SELECT task FROM plait.action WHERE id = a.action_id))
        FROM accepted a
        WHERE a.status = plait.failed() AND a.starting
           OR a.status = plait.cancelled() AND (a.starting OR (
                  SELECT true FROM plait.child WHERE parent_run_id = a.run_id AND parent_task = a.task LIMIT 1
              ))
        RETURNING id
    ), hit AS MATERIALIZED (
        SELECT a.run_id, a.position, a.priority, a.first_attempt, max(a.status) AS worst, count(*)::int4 AS hits,
               bool_or(e.local) AS local, e.child, e.need, e.slot, e.action_id, e.schedule_us
        FROM accepted a
        CROSS JOIN LATERAL (
            SELECT ((edges[i] >> 48) - 1)::int2 AS child, ((edges[i] >> 24) & 16777215)::int4 AS need,
                   (edges[i] & 16777215)::int4 AS slot, edge_actions[i] AS action_id,
                   coalesce(edge_locals[i], false) AND a.undisturbed AS local, coalesce(edge_schedules[i], -1) AS schedule_us
            FROM generate_series(a.first_edge, a.last_edge) AS i
        ) e
        WHERE plait.is_outcome(a.status)
        GROUP BY a.run_id, a.position, a.priority, a.first_attempt, e.child, e.need, e.slot, e.action_id, e.schedule_us
    ), tally AS (
        SELECT run_id, greatest(max(worst), plait.completed()) AS worst, bool_or(child = -1 AND hits = need) AS ends,
               max(slot) FILTER (WHERE child = -1 AND hits < need) AS end_slot,
               max(hits) FILTER (WHERE child = -1 AND hits < need) AS end_hits,
               array_agg(slot) FILTER (WHERE hits < need) AS slots,
               array_agg(hits) FILTER (WHERE hits < need) AS hits,
               array_agg(child) FILTER (WHERE hits < need) AS children,
               array_agg(action_id) FILTER (WHERE hits < need) AS actions,
               array_agg(local) FILTER (WHERE hits < need) AS locals,
               array_agg(schedule_us) FILTER (WHERE hits < need) AS schedules
        FROM hit
        GROUP BY run_id
        HAVING max(worst) > plait.completed() OR bool_or(child = -1 OR hits < need)
    ), counted AS (
        UPDATE plait.run r
        SET worst = greatest(r.worst, t.worst),
            status = CASE WHEN t.ends OR r.pending[t.end_slot] = t.end_hits THEN greatest(r.worst, t.worst)
                          ELSE plait.open() END,
            finished_at = CASE WHEN t.ends OR r.pending[t.end_slot] = t.end_hits THEN plait.now() END,
            pending = CASE
                WHEN t.slots IS NULL THEN r.pending
                WHEN cardinality(r.pending) = 1 THEN ARRAY[r.pending[1] - t.hits[1]]
                ELSE (SELECT array_agg(p.n - coalesce(d.n, 0) ORDER BY p.slot)
                      FROM unnest(r.pending) WITH ORDINALITY AS p(n, slot)
                      LEFT JOIN unnest(t.slots, t.hits) AS d(slot, n) ON d.slot = p.slot)
            END
        FROM tally t
        WHERE r.id = t.run_id
        RETURNING r.id, r.position, r.status, r.priority, r.first_attempt, r.pending, t.slots, t.children, t.actions, t.locals,
                  t.schedules
    ), freed AS MATERIALIZED (
        SELECT run_id, position, priority, child AS task, action_id, local, schedule_us,
               coalesce(first_attempt, 1::int2) AS attempt, 0::int2 AS retry, 0::int2 AS lost
        FROM hit WHERE hits = need AND child >= 0
        UNION ALL
        SELECT c.id, c.position, c.priority, e.child, e.action_id, e.local, e.schedule_us,
               coalesce(c.first_attempt, 1::int2), 0::int2, 0::int2
        FROM counted c
        CROSS JOIN LATERAL unnest(c.slots, c.children, c.actions, c.locals, c.schedules)
                   AS e(slot, child, action_id, local, schedule_us)
        WHERE e.child >= 0 AND c.pending[e.slot] = 0
        UNION ALL
        SELECT run_id, position, priority, task, action_id, false, coalesce(edge_schedules[first_edge], -1),
               (attempt + 1)::int2, (retry + CASE status WHEN plait.retried() THEN 1 ELSE 0 END)::int2, lost
        FROM accepted WHERE NOT plait.is_outcome(status) AND (retry_us = 0 OR ordered)
    ), queued AS (
        INSERT INTO plait.ready (run_id, position, queued_at, expires_at, era, action_id, task, attempt, retry, lost, priority)
        SELECT run_id, position, plait.now(), plait.end_of_schedule(plait.now(), schedule_us),
               (SELECT last_value FROM plait.era_now), action_id, task, attempt, retry, lost, priority
        FROM freed WHERE NOT local
        RETURNING action_id
    ), continued AS (
        INSERT INTO plait.running
            (run_id, task, attempt, retry, lost, priority, action_id, worker_id, queued_at, started_at)
        SELECT run_id, task, attempt, retry, lost, priority, action_id, worker, plait.now(), plait.now() FROM freed WHERE local
        RETURNING run_id, task
    )
    SELECT (SELECT array_agg(ord) FROM accepted),
           (SELECT array_agg(run_id) FROM continued),
           (SELECT array_agg(task) FROM continued),
           (SELECT array_agg(id) FROM counted WHERE status <> plait.open()),
           (SELECT array_agg(DISTINCT action_id) FROM queued),
           (SELECT min(due_at) FROM put_back), EXISTS (SELECT FROM orders)
    INTO accepted, continued_runs, continued_tasks, ended_runs, queued_actions, next_due, cancels;
END
$function$;
