-- Start runs by arrays: see functions/start_runs.sql, which the user's own transaction calls too.
-- Locks: the parents of child runs in id order, child and idempotency keys in key order, the new rows. Returns the
-- effective run ids, in order. $7: with the hint to sleeping workers in the same commit, for triggers that come one by
-- one. $8 to $12: kinds, ids, tasks and attempts of what triggered each, keys of child runs; NULL where nothing did.
SELECT plait.start_runs($1::uuid[], $2::int[], $3::bytea[], $4::text[], $5::int2[], $6::text[], $7::bool, false,
                        $8::int2[], $9::uuid[], $10::int2[], $11::int2[], $12::text[]) AS run_ids
