-- Store runs that start later: see functions/schedule_runs.sql. Locks: the new rows. Index: scheduled's key.
-- $1 ids, $2 versions, $3 times, $4 inputs, $5 metadata, $6 priorities.
SELECT plait.schedule_runs($1::uuid[], $2::int[], $3::timestamptz[], $4::bytea[], $5::text[], $6::int2[]) AS stored_at
