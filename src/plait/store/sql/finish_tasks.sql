-- Finish attempts of worker $1 by arrays: see functions/finish_tasks.sql.
-- Locks: runs in id order (the input order), then running rows in (run, task) order; the order of every statement.
SELECT accepted, continued_runs, continued_tasks, ended_runs, queued_actions, next_due, cancels
FROM plait.finish_tasks($1, $2::uuid[], $3::int2[], $4::int8[], $5::int8[], $6::bytea[], $7::int2[], $8::int2[],
                        $9::bytea[], $10::text[], $11::int8[], $12::int8[], $13::int4[], $14::bool[], $15::int8[])
