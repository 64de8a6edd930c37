-- Cancel runs and their descendants: all of it, in one transaction. Returns the runs that this ended.
-- Locks: the runs FOR UPDATE in id order, so that no child can be started meanwhile; should one have come between looking
-- and locking, the locks are given back and all begins anew. Then the rooms, each in a statement of its own, in the
-- direction in which tasks move: a task that moves on while it is looked for is met in the next room. Waiting before
-- what is awaited, as everywhere.
CREATE OR REPLACE FUNCTION plait.cancel_runs(wanted uuid[], why text) RETURNS uuid[] LANGUAGE plpgsql AS $function$
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
                SELECT id FROM (
                    SELECT id FROM plait.run WHERE id = ANY (family) AND status = plait.open() ORDER BY id FOR UPDATE
                ) r
            );
            active := ARRAY(SELECT id FROM plait.run WHERE id = ANY (family) AND status = plait.open());
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
    SELECT run_id, task, attempt, retry, plait.cancelled(), plait.now(),
           CASE WHEN run_id = ANY (wanted) THEN why ELSE inherited END
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
        SELECT run_id, task, attempt, retry, plait.cancelled(), queued_at, plait.now(),
               CASE WHEN run_id = ANY (wanted) THEN why ELSE inherited END
        FROM gone;

        WITH gone AS (
            DELETE FROM plait.running WHERE run_id = ANY (active)
            RETURNING run_id, task, attempt, retry, worker_id, queued_at, started_at
        )
        INSERT INTO plait.attempt (run_id, task, attempt, retry, status, worker_id, queued_at, started_at, finished_at, reason)
        SELECT run_id, task, attempt, retry, plait.cancelled(), worker_id, queued_at, started_at, plait.now(),
               CASE WHEN run_id = ANY (wanted) THEN why ELSE inherited END
        FROM gone;
    END LOOP;

    DELETE FROM plait.awaited_event WHERE run_id = ANY (active);
    UPDATE plait.run
    SET status = greatest(worst, plait.cancelled()), worst = greatest(worst, plait.cancelled()), finished_at = plait.now()
    WHERE id = ANY (active);
    RETURN active;
END
$function$;
