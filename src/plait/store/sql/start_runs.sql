-- Start runs by arrays: see plait.start_runs in the migrations, which the user's own transaction calls too.
-- Locks: none but the new rows (and idempotency keys, in key order). Returns the effective run ids, in order.
-- $7: with the hint to sleeping workers in the same commit, for triggers that come one by one.
SELECT plait.start_runs($1::uuid[], $2::int[], $3::bytea[], $4::text[], $5::int2[], $6::text[], $7::bool) AS run_ids
