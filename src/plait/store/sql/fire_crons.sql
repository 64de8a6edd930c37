-- Move crons on and start the runs of some of their fire times, each once: see functions/fire_crons.sql.
-- Locks: the crons, skipping locked ones. Index: cron's key. $1 crons, $2 their next_at when the times were chosen,
-- $3 the next ones; $4 to $7 the runs: position of the cron, run id, fire time, the same as text.
SELECT moved, started
FROM plait.fire_crons($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::int[], $5::uuid[], $6::timestamptz[], $7::text[])
