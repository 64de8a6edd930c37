-- Work off orders of plait.cancellation that are due: cancel at most `most` child runs that they are about. Returns the
-- runs that this ended, and how many child runs it looked at.
-- An order is done when all its children were looked at after the last start of one was decided. A start that is open in
-- some user's transaction is not waited for: the order stays, and is looked at again; the longer, the more rarely.
-- Locks: the orders, skipping locked ones; the parents for a moment, skipping locked ones; then see cancel_runs.sql.
-- Indexes: cancellation_due, child's key.
CREATE OR REPLACE FUNCTION plait.carry_out_cancellations(most integer, OUT ended uuid[], OUT looked_at integer)
LANGUAGE plpgsql AS $function$
DECLARE
    orders plait.cancellation[];
    one plait.cancellation;
    settled uuid[];
    tasks smallint[];
    keys text[];
    found uuid[];
    children uuid[] := '{}';
    whys text[] := '{}';
    asked uuid[] := '{}';
    again constant interval := '50 milliseconds';
BEGIN
    orders := ARRAY(
        SELECT one_order FROM (
            SELECT * FROM (
                SELECT c AS one_order FROM plait.cancellation c WHERE c.due_at <= plait.now()
                ORDER BY c.due_at, c.id LIMIT 100 FOR UPDATE SKIP LOCKED
            ) due
            UNION ALL
            -- None is put off for so long: the clock has been set back.
            SELECT * FROM (
                SELECT c FROM plait.cancellation c WHERE c.due_at > plait.now() + 40 * again
                ORDER BY c.due_at, c.id LIMIT 100 FOR UPDATE SKIP LOCKED
            ) too_late
        ) o
        LIMIT 100
    );
    -- Given back at once: who finishes a task of these runs would wait behind.
    BEGIN
        settled := ARRAY(
            SELECT id FROM plait.run WHERE id = ANY (ARRAY(SELECT run_id FROM unnest(orders))) FOR UPDATE SKIP LOCKED
        );
        RAISE EXCEPTION 'met' USING ERRCODE = 'PLT03';
    EXCEPTION WHEN SQLSTATE 'PLT03' THEN
        NULL;
    END;
    looked_at := 0;
    FOREACH one IN ARRAY orders LOOP
        EXIT WHEN looked_at >= most;
        IF one.after_task < 0 THEN
            one.settled := one.run_id = ANY (settled) OR NOT EXISTS (SELECT FROM plait.run WHERE id = one.run_id);
        END IF;
        IF one.settled OR one.due_at = one.created_at THEN
            SELECT array_agg(c.parent_task), array_agg(c.key), array_agg(c.run_id) INTO tasks, keys, found FROM (
                SELECT parent_task, key, run_id FROM plait.child
                WHERE parent_run_id = one.run_id AND (parent_task, key) > (one.after_task, one.after_key)
                  AND (one.task IS NULL OR parent_task = one.task)
                  AND (one.as_of IS NULL OR NOT pg_visible_in_snapshot(started_in, one.as_of))
                ORDER BY parent_task, key LIMIT most - looked_at
            ) c;
            children := children || found;
            whys := whys || array_fill(one.reason, ARRAY[coalesce(cardinality(found), 0)]);
            asked := asked || array_fill(one.asked_id, ARRAY[coalesce(cardinality(found), 0)]);
            looked_at := looked_at + coalesce(cardinality(found), 0);
        END IF;
        IF looked_at >= most THEN
            UPDATE plait.cancellation
            SET after_task = tasks[cardinality(tasks)], after_key = keys[cardinality(keys)], settled = one.settled
            WHERE id = one.id;
        ELSIF one.settled THEN
            DELETE FROM plait.cancellation WHERE id = one.id;
        ELSE
            UPDATE plait.cancellation
            SET after_task = -1, after_key = '',
                due_at = plait.now() + least(greatest(plait.now() - created_at, again), 20 * again)
            WHERE id = one.id;
        END IF;
    END LOOP;
    ended := plait.cancel_runs(children, whys, asked);
END
$function$;
