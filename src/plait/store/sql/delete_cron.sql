-- Delete a cron; a declared one only if $2. Index: its key.
DELETE FROM plait.cron WHERE id = $1 AND (NOT declared OR $2::bool) RETURNING id
