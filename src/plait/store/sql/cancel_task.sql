-- Ask for the cancellation of task $2 of run $1: see functions/cancel_task.sql.
SELECT plait.cancel_task($1, $2::int2) AS asked
