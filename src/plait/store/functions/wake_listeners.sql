-- Wake tasks that wait for events, at most `share` of each group: the tasks of a version that wait for a key in a scope
-- and have not looked at the events up to `lasts`. No event up to `looked_to` concerns them.
-- Locks: the waiting rows, skipping locked ones, then what they await, then what they have seen.
-- Called by deliver_events and continue_deliveries.
CREATE OR REPLACE FUNCTION plait.wake_listeners(
    keys text[], scopes text[], version_ids integer[], tasks smallint[], lasts bigint[], share integer, looked_to bigint,
    OUT woken integer, OUT actions integer[]
) LANGUAGE plpgsql AS $function$
BEGIN
    WITH picked AS MATERIALIZED (
        SELECT q.row_id
        FROM unnest(keys, scopes, version_ids, tasks, lasts) AS g(key, scope, version_id, task, last)
        CROSS JOIN LATERAL (
            SELECT r.row_id
            FROM plait.awaited_event a
            CROSS JOIN LATERAL (
                SELECT ctid AS row_id FROM plait.waiting
                WHERE run_id = a.run_id AND task = a.task FOR UPDATE SKIP LOCKED
            ) r
            WHERE a.key = g.key AND a.scope = g.scope AND a.version_id = g.version_id AND a.task = g.task
              AND a.position < g.last
            ORDER BY a.position LIMIT share
        ) q
    ),
-- Include fragments/queue_awaken.sql.
    SELECT count(*)::int, array_agg(DISTINCT action_id) INTO woken, actions FROM queued;
END
$function$;
