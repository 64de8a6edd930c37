-- Those of given runs that may be deleted now, locked: ended before a moment, and a child only with its parent or after it.
-- One that somebody is replaying, or whose idempotency key a transaction has taken hold of, is left for the next time;
-- so is one whose child runs are still to be cancelled.
-- Locks: the runs and their keys, skipping locked ones: it waits for nobody, so it makes nobody the victim of a deadlock.
CREATE OR REPLACE FUNCTION plait.hold_prunable(run_ids uuid[], before timestamptz) RETURNS SETOF uuid LANGUAGE sql AS $$
    WITH RECURSIVE ended AS MATERIALIZED (
        SELECT id, trigger_kind, trigger_id FROM plait.run
        WHERE id = ANY (run_ids) AND status <> plait.open() AND finished_at < before
          AND NOT EXISTS (SELECT FROM plait.cancellation c WHERE c.run_id = plait.run.id)
        ORDER BY id FOR UPDATE SKIP LOCKED
    ), keys AS MATERIALIZED (
        SELECT k.workflow, k.key FROM plait.idempotency_key k
        WHERE k.run_id = ANY (ARRAY(SELECT id FROM ended)) FOR UPDATE SKIP LOCKED
    ), free AS MATERIALIZED (
        SELECT * FROM ended WHERE id NOT IN (
            SELECT k.run_id FROM plait.idempotency_key k
            WHERE k.run_id = ANY (ARRAY(SELECT id FROM ended)) AND (k.workflow, k.key) NOT IN (SELECT workflow, key FROM keys)
        )
    ), stays AS (
        SELECT f.id FROM free f
        WHERE f.trigger_kind = plait.by_parent() AND f.trigger_id NOT IN (SELECT id FROM free)
          AND EXISTS (SELECT 1 FROM plait.run p WHERE p.id = f.trigger_id)
        UNION
        SELECT f.id FROM stays s JOIN free f ON f.trigger_kind = plait.by_parent() AND f.trigger_id = s.id
    )
    SELECT id FROM free WHERE id NOT IN (SELECT id FROM stays)
$$;
