-- Hold the keys of child runs: for each the run that has it, which is the given one where it was free. The keys come sorted.
-- `wait` and what is returned: as plait.hold_keys.
-- Locks: keys in their order.
CREATE OR REPLACE FUNCTION plait.hold_children(parents uuid[], tasks smallint[], keys text[], run_ids uuid[], wait text)
RETURNS uuid[] LANGUAGE plpgsql AS $function$
DECLARE
    held uuid[];
    before constant text := current_setting('lock_timeout');
BEGIN
    BEGIN
        PERFORM set_config('lock_timeout', coalesce(wait, before), true);
        WITH wanted AS (
            SELECT * FROM unnest(parents, tasks, keys, run_ids) WITH ORDINALITY AS w(parent_id, task, key, run_id, ord)
        ), held AS (
            INSERT INTO plait.child AS c (parent_run_id, parent_task, key, run_id)
            SELECT parent_id, task, key, run_id FROM wanted ORDER BY ord
            ON CONFLICT (parent_run_id, parent_task, key) DO UPDATE SET run_id = c.run_id
            RETURNING c.parent_run_id, c.parent_task, c.key, c.run_id
        )
        SELECT array_agg(h.run_id ORDER BY w.ord) INTO held
        FROM wanted w JOIN held h ON h.parent_run_id = w.parent_id AND h.parent_task = w.task AND h.key = w.key;
        PERFORM set_config('lock_timeout', before, true);
        RETURN held;
    EXCEPTION WHEN lock_not_available THEN
        IF wait IS NULL THEN
            RAISE;
        ELSIF cardinality(keys) = 1 THEN
            RETURN ARRAY[(
                SELECT run_id FROM plait.child
                WHERE parent_run_id = parents[1] AND parent_task = tasks[1] AND key = keys[1]
            )];
        END IF;
    END;
    FOR i IN 1..cardinality(keys) LOOP
        held := held || plait.hold_children(parents[i:i], tasks[i:i], keys[i:i], run_ids[i:i], wait);
    END LOOP;
    RETURN held;
END
$function$;
