-- Start scheduled runs $1, if they are due, as the runs $2: see functions/start_scheduled.sql.
-- Locks: the scheduled rows, skipping locked ones. Index: scheduled's key.
SELECT plait.start_scheduled($1::uuid[], $2::uuid[]) AS started
