-- Delete runs that ended before a moment, with all that belongs to them. One that was replayed meanwhile is left alone.
-- Returns how many it deleted. Locks: the runs in id order, skipping locked ones: somebody is replaying such a run.
-- Indexes: the keys of the tables, idempotency_run.
WITH held AS MATERIALIZED (
    SELECT id FROM plait.run WHERE id = ANY ($1) AND status <> 0 AND finished_at < $2
    ORDER BY id FOR UPDATE SKIP LOCKED
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
