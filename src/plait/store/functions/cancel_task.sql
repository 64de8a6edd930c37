-- Ask for the cancellation of one task of a run that goes on. It is judged so wherever it is: what is queued or waits can
-- be claimed by any worker from now on, what runs is told by its worker. Returns whether there is something to cancel: NULL
-- when the run has ended, false when the task has.
-- Locks: the run, then the task: waiting, what it awaits, ready.
CREATE OR REPLACE FUNCTION plait.cancel_task(of_run uuid, which smallint) RETURNS boolean LANGUAGE plpgsql AS $function$
BEGIN
    PERFORM 1 FROM plait.run WHERE id = of_run AND status = plait.open() FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM plait.attempt WHERE run_id = of_run AND task = which AND plait.is_outcome(status)) THEN
        RETURN false;
    END IF;
    UPDATE plait.run SET cancel_tasks = array_append(array_remove(cancel_tasks, which), which) WHERE id = of_run;
    WITH taken AS (
        DELETE FROM plait.waiting WHERE run_id = of_run AND task = which
        RETURNING run_id, position, task, attempt, retry, lost, priority, action_id
    )
    INSERT INTO plait.ready (run_id, position, queued_at, expires_at, era, action_id, task, attempt, retry, lost, priority)
    SELECT run_id, position, plait.now(), '-infinity', (SELECT last_value FROM plait.era_now), action_id, task, attempt,
           retry, lost, priority
    FROM taken;
    DELETE FROM plait.awaited_event WHERE run_id = of_run AND task = which;
    UPDATE plait.ready q SET expires_at = '-infinity'
    FROM plait.run r
    CROSS JOIN LATERAL (SELECT actions FROM plait.workflow_version WHERE id = r.version_id LIMIT 1) v
    CROSS JOIN LATERAL (
        SELECT ctid AS row_id FROM plait.ready
        WHERE era = ANY (ARRAY(SELECT era FROM plait.era)) AND action_id = v.actions[which + 1]
          AND priority = r.priority AND position = r.position AND task = which LIMIT 1
    ) f
    WHERE r.id = of_run AND q.ctid = f.row_id;
    RETURN true;
END
$function$;
