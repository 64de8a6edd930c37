-- Move up to $1 due tasks from waiting to ready: see functions/wake_tasks.sql.
SELECT moved, actions FROM plait.wake_tasks($1::int4)
