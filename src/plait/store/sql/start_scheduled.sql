-- Start scheduled runs $1, if they are due, as the runs $2: see plait.start_scheduled in the migrations.
-- Locks: the scheduled rows, skipping locked ones. Index: scheduled's key.
SELECT plait.start_scheduled($1::uuid[], $2::uuid[]) AS started
