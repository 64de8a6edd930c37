-- Replay runs that have ended, as planned from their outcomes: one JSON text, a plan an element: run_id, finished_at (as
-- it was when the plan was made), tasks (to run again), ready (those of them that may start now), pending, worst, anew (those
-- whose child runs are not to be found again). Outcomes of these tasks become history. Returns the runs replayed: one that is active, or ended again, is left
-- alone; so is one whose child runs are still to be cancelled, and one that is such a child run itself.
-- Locks: runs in id order, the parent of each FOR KEY SHARE.
CREATE OR REPLACE FUNCTION plait.replay_runs(plans text) RETURNS uuid[] LANGUAGE plpgsql AS $function$
DECLARE
    plan jsonb;
    old plait.run;
    begun smallint;
    again smallint[];
    replayed uuid[] := '{}';
BEGIN
    FOR plan IN SELECT p FROM jsonb_array_elements(plans::jsonb) AS e(p) ORDER BY (p ->> 'run_id')::uuid LOOP
        SELECT * INTO old FROM plait.run WHERE id = (plan ->> 'run_id')::uuid FOR NO KEY UPDATE;
        CONTINUE WHEN NOT FOUND OR old.status = plait.open()
            OR old.finished_at <> (plan ->> 'finished_at')::timestamptz;
        -- As at the start of a child: a cancellation of the parent comes before this or meets what comes of it.
        PERFORM FROM plait.run WHERE id = old.trigger_id AND old.trigger_kind = plait.by_parent() FOR KEY SHARE;
        CONTINUE WHEN EXISTS (SELECT FROM plait.cancellation WHERE run_id = old.id) OR plait.is_being_cancelled(old.id);
        again := ARRAY(SELECT t::int2 FROM jsonb_array_elements_text(plan -> 'tasks') AS e(t));
        SELECT coalesce(max(attempt), 0) + 1 INTO begun FROM plait.attempt WHERE run_id = old.id;
        UPDATE plait.attempt SET status = plait.supersede(status)
        WHERE run_id = old.id AND task = ANY (again) AND plait.is_outcome(status);
        DELETE FROM plait.wait WHERE run_id = old.id AND task = ANY (again);
        -- What a claim or a reaping that crossed the run's end has left behind.
        DELETE FROM plait.running WHERE run_id = old.id;
        DELETE FROM plait.ready
        WHERE era = ANY (ARRAY(SELECT era FROM plait.era))
          AND action_id = ANY (ARRAY(SELECT unnest(actions) FROM plait.workflow_version WHERE id = old.version_id))
          AND priority = old.priority AND position = old.position;
        UPDATE plait.child SET key = '~' || begun || key
        WHERE parent_run_id = old.id
          AND parent_task = ANY (ARRAY(SELECT t::int2 FROM jsonb_array_elements_text(plan -> 'anew') AS e(t)));
        UPDATE plait.run
        SET status = plait.open(), finished_at = NULL, worst = (plan ->> 'worst')::int2, first_attempt = begun,
            cancel_tasks = NULL, pending = ARRAY(
                SELECT n::int FROM jsonb_array_elements_text(plan -> 'pending') WITH ORDINALITY AS e(n, ord) ORDER BY ord
            )
        WHERE id = old.id;
        INSERT INTO plait.ready (run_id, position, queued_at, expires_at, era, action_id, task, attempt, retry, lost, priority)
        SELECT old.id, old.position, plait.now(),
               plait.end_of_schedule(plait.now(), v.schedules_us[t.task + 1]), (SELECT last_value FROM plait.era_now),
               v.actions[t.task + 1], t.task, begun, 0, 0, old.priority
        FROM plait.workflow_version v
        CROSS JOIN LATERAL (SELECT n::int2 FROM jsonb_array_elements_text(plan -> 'ready') AS e(n)) AS t(task)
        WHERE v.id = old.version_id;
        replayed := replayed || old.id;
    END LOOP;
    RETURN replayed;
END
$function$;
