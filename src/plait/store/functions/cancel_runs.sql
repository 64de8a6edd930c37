-- Cancel runs, each with its own reason: their rooms are emptied, and they end. Returns those that this ended.
-- Runs that their tasks started are not looked for here. Where there are some, or may be, an order is left for them in
-- plait.cancellation, which carry_out_cancellations works off; `asked` says whose cancellation it is part of.
-- Locks: the runs in id order, as a finish does, so nobody waits for a user's transaction that is starting a child of one
-- (see find_children.sql). Then the rooms, each in a statement of its own, in the direction in which tasks move: a task that
-- moves on while it is looked for is met in the next room. Waiting before what is awaited, as everywhere.
CREATE OR REPLACE FUNCTION plait.cancel_runs(wanted uuid[], whys text[], asked uuid[]) RETURNS uuid[]
LANGUAGE plpgsql AS $function$
DECLARE
    active uuid[];
BEGIN
    active := ARRAY(
        SELECT id FROM (
            SELECT id FROM plait.run WHERE id = ANY (wanted) AND status = plait.open() ORDER BY id FOR NO KEY UPDATE
        ) r
    );

    WITH gone AS (
        DELETE FROM plait.waiting WHERE run_id = ANY (active) RETURNING run_id, task, attempt, retry
    )
    INSERT INTO plait.attempt (run_id, task, attempt, retry, status, finished_at, reason)
    SELECT run_id, task, attempt, retry, plait.cancelled(), plait.now(), whys[array_position(wanted, run_id)]
    FROM gone;

    -- Twice: a reaping that is under way moves a task from running to ready.
    FOR pass IN 1..2 LOOP
        WITH place AS (
            SELECT f.row_id
            FROM plait.run r
            CROSS JOIN LATERAL (SELECT actions FROM plait.workflow_version WHERE id = r.version_id LIMIT 1) v
            CROSS JOIN LATERAL unnest(v.actions) AS a(action_id)
            CROSS JOIN LATERAL (
                SELECT ctid AS row_id FROM plait.ready
                WHERE era = ANY (ARRAY(SELECT era FROM plait.era)) AND action_id = a.action_id
                  AND priority = r.priority AND position = r.position OFFSET 0
            ) f
            WHERE r.id = ANY (active)
        ), gone AS (
            DELETE FROM plait.ready q USING place p WHERE q.ctid = p.row_id
            RETURNING q.run_id, q.task, q.attempt, q.retry, q.queued_at
        )
        INSERT INTO plait.attempt (run_id, task, attempt, retry, status, queued_at, finished_at, reason)
        SELECT run_id, task, attempt, retry, plait.cancelled(), queued_at, plait.now(), whys[array_position(wanted, run_id)]
        FROM gone;

        WITH gone AS (
            DELETE FROM plait.running WHERE run_id = ANY (active)
            RETURNING run_id, task, attempt, retry, worker_id, queued_at, started_at
        )
        INSERT INTO plait.attempt (run_id, task, attempt, retry, status, worker_id, queued_at, started_at, finished_at, reason)
        SELECT run_id, task, attempt, retry, plait.cancelled(), worker_id, queued_at, started_at, plait.now(),
               whys[array_position(wanted, run_id)]
        FROM gone;
    END LOOP;

    DELETE FROM plait.awaited_event WHERE run_id = ANY (active);
    -- Also for those that had ended: what they started may still run. Where somebody beside us holds a run, a child of it is
    -- being started in a transaction that is not committed.
    INSERT INTO plait.cancellation (run_id, asked_id, reason)
    SELECT r.id, asked[array_position(wanted, r.id)], 'the run whose task started it was cancelled'
    FROM plait.run r
    WHERE r.id = ANY (wanted)
      AND (r.id = ANY (active) AND r.xmax <> pg_current_xact_id()::xid
           OR (SELECT true FROM plait.child c WHERE c.parent_run_id = r.id LIMIT 1));
    UPDATE plait.run
    SET status = greatest(worst, plait.cancelled()), worst = greatest(worst, plait.cancelled()), finished_at = plait.now()
    WHERE id = ANY (active);
    RETURN active;
END
$function$;
