-- Delete those of the runs $1 that may be deleted (ended before $2), with all that belongs to them. Returns how many.
-- Locks: see plait.hold_prunable. Indexes: the keys of the tables, idempotency_key_run.
WITH held AS MATERIALIZED (
    SELECT id FROM plait.hold_prunable($1::uuid[], $2::timestamptz) AS h(id)
), gone AS (
    DELETE FROM plait.run r USING held h WHERE r.id = h.id RETURNING r.id
), attempts AS (
    DELETE FROM plait.attempt a USING held h WHERE a.run_id = h.id
), waits AS (
    DELETE FROM plait.wait w USING held h WHERE w.run_id = h.id
), children AS (
    DELETE FROM plait.child c USING held h WHERE c.parent_run_id = h.id
), keys AS (
    DELETE FROM plait.idempotency_key k USING held h WHERE k.run_id = h.id
)
SELECT count(*)::int AS deleted FROM gone
