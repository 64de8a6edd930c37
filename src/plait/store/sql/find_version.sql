-- The version of workflow $1 that time starts, NULL if there is none, and the time now.
SELECT plait.find_version($1) AS version_id, plait.now() AS now
