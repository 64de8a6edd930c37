-- Move up to `most` due tasks from waiting to ready.
-- Locks: the waiting rows, skipping locked ones, then what they await, then what they have seen.
CREATE OR REPLACE FUNCTION plait.wake_tasks(most integer, OUT moved integer, OUT actions integer[])
LANGUAGE plpgsql AS $function$
DECLARE
    looked_to bigint := pg_sequence_last_value('plait.position');
BEGIN
    -- Events up to there were delivered, and have woken whom they concern: what is under way is still in the inbox, and
    -- what is pushed later gets later positions. So the sequence is read before the inbox is looked at.
    looked_to := least(looked_to, (SELECT pushed FROM plait.event_inbox ORDER BY pushed LIMIT 1),
                       (SELECT min(first_position) - 1 FROM plait.delivery));

    WITH picked AS MATERIALIZED (
        SELECT ctid AS row_id FROM plait.waiting WHERE due_at <= plait.now() ORDER BY due_at LIMIT most
        FOR UPDATE SKIP LOCKED
    ),
-- Include fragments/queue_awaken.sql.
    SELECT count(*)::int, array_agg(DISTINCT action_id) INTO moved, actions FROM queued;
END
$function$;
