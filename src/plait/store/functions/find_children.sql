-- The ids of child runs: those that their parent task has started before under the same keys, else the given ones, which
-- are then remembered. NULL for those whose parent task does not run (any more) in that attempt: a task that was cancelled,
-- timed out or taken over gets no further children; nor does one that is to be cancelled with a run above it.
-- Locks: the parents FOR KEY SHARE in id order. Nobody waits for that lock, however long a user's transaction keeps it; but
-- who ends a task or a run sees it, and orders what is being started here to be cancelled (plait.cancellation).
CREATE OR REPLACE FUNCTION plait.find_children(
    run_ids uuid[], parent_ids uuid[], parent_tasks smallint[], parent_attempts smallint[], keys text[]
) RETURNS uuid[] LANGUAGE plpgsql AS $function$
DECLARE
    found uuid[];
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

    WITH wanted AS (
        SELECT w.* FROM unnest(run_ids, parent_ids, parent_tasks, parent_attempts, keys) WITH ORDINALITY
             AS w(run_id, parent_id, task, attempt, key, ord)
        WHERE w.key IS NOT NULL AND (
            SELECT true FROM plait.running h
            WHERE h.run_id = w.parent_id AND h.task = w.task AND h.attempt = w.attempt
        ) AND (SELECT status = plait.open() FROM plait.run WHERE id = w.parent_id)
          AND NOT (EXISTS (SELECT FROM plait.cancellation) AND plait.is_being_cancelled(w.parent_id))
    ), first AS (
        SELECT DISTINCT ON (parent_id, task, key) parent_id, task, key, run_id FROM wanted ORDER BY parent_id, task, key, ord
    ), held AS (
        INSERT INTO plait.child AS c (parent_run_id, parent_task, key, run_id)
        SELECT parent_id, task, key, run_id FROM first ORDER BY parent_id, task, key
        ON CONFLICT (parent_run_id, parent_task, key) DO UPDATE SET run_id = c.run_id
        RETURNING c.parent_run_id, c.parent_task, c.key, c.run_id
    )
    SELECT array_agg(CASE WHEN r.key IS NULL THEN r.run_id ELSE h.run_id END ORDER BY r.ord) INTO found
    FROM unnest(run_ids, keys) WITH ORDINALITY AS r(run_id, key, ord)
    LEFT JOIN wanted w ON w.ord = r.ord
    LEFT JOIN held h ON h.parent_run_id = w.parent_id AND h.parent_task = w.task AND h.key = w.key;
    RETURN found;
END
$function$;
