-- Cancel the runs $1 and all that descends from them, for the reason $2: see functions/cancel_runs.sql.
SELECT plait.cancel_runs($1::uuid[], $2) AS run_ids
