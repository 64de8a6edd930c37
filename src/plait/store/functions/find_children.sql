-- The ids of child runs: those that their parent task has started before under the same keys, else the given ones, which
-- are then remembered. NULL for those whose parent task does not run (any more) in that attempt: a task that was cancelled,
-- timed out or taken over gets no further children; nor does one that is to be cancelled with a run above it.
-- plait.held() where a transaction that is still open holds the key; `wait`: see hold_keys.sql.
-- Locks: the parents FOR KEY SHARE in id order. Nobody waits for that lock, however long a user's transaction keeps it; but
-- who ends a task or a run sees it, and orders what is being started here to be cancelled (plait.cancellation).
CREATE OR REPLACE FUNCTION plait.find_children(
    run_ids uuid[], parent_ids uuid[], parent_tasks smallint[], parent_attempts smallint[], keys text[],
    wait text
) RETURNS uuid[] LANGUAGE plpgsql AS $function$
DECLARE
    found uuid[];
    held uuid[];
    of_runs uuid[];
    of_tasks smallint[];
    wanted text[];
    ids uuid[];
    parents constant uuid[] := ARRAY(SELECT DISTINCT p FROM unnest(parent_ids, keys) AS w(p, key) WHERE w.key IS NOT NULL);
BEGIN
    PERFORM FROM plait.run WHERE id = ANY (parents) ORDER BY id FOR KEY SHARE;
    -- Who had begun to end a task or a run before that did not see it: what became of it is seen below. The lock for
    -- which it has to be waited is given back at once.
    BEGIN
        PERFORM FROM plait.run WHERE id = ANY (parents) ORDER BY id FOR SHARE;
        RAISE EXCEPTION 'met' USING ERRCODE = 'PLT03';
    EXCEPTION WHEN SQLSTATE 'PLT03' OR serialization_failure THEN
        NULL;
    END;

    WITH wanted AS MATERIALIZED (
        SELECT DISTINCT ON (w.parent_id, w.task, w.key) w.parent_id, w.task, w.key, w.run_id
        FROM unnest(run_ids, parent_ids, parent_tasks, parent_attempts, keys) WITH ORDINALITY
             AS w(run_id, parent_id, task, attempt, key, ord)
        WHERE w.key IS NOT NULL AND (
            SELECT true FROM plait.running h
            WHERE h.run_id = w.parent_id AND h.task = w.task AND h.attempt = w.attempt
        ) AND (SELECT status = plait.open() FROM plait.run WHERE id = w.parent_id)
          AND NOT (EXISTS (SELECT FROM plait.cancellation) AND plait.is_being_cancelled(w.parent_id))
        ORDER BY w.parent_id, w.task, w.key, w.ord
    )
    SELECT coalesce(array_agg(parent_id), '{}'), array_agg(task), array_agg(key), array_agg(run_id) INTO of_runs, of_tasks, wanted, ids
    FROM wanted;
    held := plait.hold_children(of_runs, of_tasks, wanted, ids, wait);
    SELECT array_agg(CASE WHEN r.key IS NULL THEN r.run_id WHEN h.key IS NULL THEN NULL
                          ELSE coalesce(h.run_id, plait.held()) END ORDER BY r.ord)
    INTO found
    FROM unnest(run_ids, parent_ids, parent_tasks, keys) WITH ORDINALITY AS r(run_id, parent_id, task, key, ord)
    LEFT JOIN unnest(of_runs, of_tasks, wanted, held) AS h(parent_id, task, key, run_id)
           ON h.parent_id = r.parent_id AND h.task = r.task AND h.key = r.key;
    RETURN found;
END
$function$;
