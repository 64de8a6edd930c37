-- Hold idempotency keys: for each the run that has it, which is the given one where it was free. The keys come sorted.
-- `wait`: how long it waits for a transaction that has not ended and used a key, as a lock_timeout; such a key then gives
-- the run that has it by now, or NULL, and the others are held all the same. NULL: for as long as the session says.
-- Locks: keys in their order.
CREATE OR REPLACE FUNCTION plait.hold_keys(workflows text[], keys text[], run_ids uuid[], wait text) RETURNS uuid[]
LANGUAGE plpgsql AS $function$
DECLARE
    held uuid[];
    before constant text := current_setting('lock_timeout');
BEGIN
    BEGIN
        PERFORM set_config('lock_timeout', coalesce(wait, before), true);
        -- DO UPDATE, not DO NOTHING: it waits for a concurrent holder and returns that holder's row.
        WITH wanted AS (
            SELECT * FROM unnest(workflows, keys, run_ids) WITH ORDINALITY AS w(workflow, key, run_id, ord)
        ), held AS (
            INSERT INTO plait.idempotency_key AS k (workflow, key, run_id)
            SELECT workflow, key, run_id FROM wanted ORDER BY ord
            ON CONFLICT (workflow, key) DO UPDATE SET run_id = k.run_id
            RETURNING k.workflow, k.key, k.run_id
        )
        SELECT array_agg(h.run_id ORDER BY w.ord) INTO held
        FROM wanted w JOIN held h ON h.workflow = w.workflow AND h.key = w.key;
        PERFORM set_config('lock_timeout', before, true);
        RETURN held;
    EXCEPTION WHEN lock_not_available THEN
        IF wait IS NULL THEN
            RAISE;
        ELSIF cardinality(keys) = 1 THEN
            RETURN ARRAY[(SELECT run_id FROM plait.idempotency_key WHERE workflow = workflows[1] AND key = keys[1])];
        END IF;
    END;
    FOR i IN 1..cardinality(keys) LOOP
        held := held || plait.hold_keys(workflows[i:i], keys[i:i], run_ids[i:i], wait);
    END LOOP;
    RETURN held;
END
$function$;
