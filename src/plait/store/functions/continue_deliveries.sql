-- Go on with deliveries that were too much for one commit: wake up to `most` tasks (one of each group at least, see
-- wake_listeners.sql), of all groups alike. It holds up neither the next delivery nor who parks a task.
-- Locks: what is left of deliveries, in the order of its key; then as in wake_listeners.sql.
CREATE OR REPLACE FUNCTION plait.continue_deliveries(
    most integer, OUT woken integer, OUT complete boolean, OUT actions integer[]
) LANGUAGE plpgsql AS $function$
DECLARE
    keys text[];
    scopes text[];
    version_ids integer[];
    tasks smallint[];
    lasts bigint[];
BEGIN
    SELECT array_agg(d.key), array_agg(d.scope), array_agg(d.version_id), array_agg(d.task), array_agg(d.last_position)
    INTO keys, scopes, version_ids, tasks, lasts
    FROM (SELECT * FROM plait.delivery ORDER BY key, scope, version_id, task LIMIT most FOR UPDATE) d;
    IF keys IS NULL THEN
        woken := 0;
        complete := true;
        RETURN;
    END IF;

    SELECT w.woken, w.actions INTO woken, actions
    FROM plait.wake_listeners(keys, scopes, version_ids, tasks, lasts, greatest(1, most / cardinality(keys)),
                              (SELECT min(first_position) - 1 FROM plait.delivery)) w;

    DELETE FROM plait.delivery d
    USING unnest(keys, scopes, version_ids, tasks, lasts) AS g(key, scope, version_id, task, last)
    CROSS JOIN LATERAL (
        SELECT ctid AS row_id FROM plait.delivery
        WHERE key = g.key AND scope = g.scope AND version_id = g.version_id AND task = g.task LIMIT 1
    ) f
    WHERE d.ctid = f.row_id AND (
        SELECT true FROM plait.awaited_event
        WHERE key = g.key AND scope = g.scope AND version_id = g.version_id AND task = g.task AND position < g.last
        LIMIT 1
    ) IS NULL;
    complete := (SELECT true FROM plait.delivery LIMIT 1) IS NULL;
END
$function$;
