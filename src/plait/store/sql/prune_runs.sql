-- Delete those of the runs $1 that may be deleted (ended before $2), with all that belongs to them. Returns how many.
-- Locks: see plait.hold_prunable. Indexes: the keys of the tables, idempotency_key_run.
WITH held AS MATERIALIZED (
    SELECT id FROM plait.hold_prunable($1::uuid[], $2::timestamptz) AS h(id)
), gone AS (
    DELETE FROM plait.run WHERE id = ANY (ARRAY(SELECT id FROM held)) RETURNING id
), attempts AS (
    DELETE FROM plait.attempt WHERE run_id = ANY (ARRAY(SELECT id FROM held))
), waits AS (
    DELETE FROM plait.wait WHERE run_id = ANY (ARRAY(SELECT id FROM held))
), children AS (
    DELETE FROM plait.child WHERE parent_run_id = ANY (ARRAY(SELECT id FROM held))
), keys AS (
    DELETE FROM plait.idempotency_key WHERE run_id = ANY (ARRAY(SELECT id FROM held))
)
SELECT count(*)::int AS deleted FROM gone
