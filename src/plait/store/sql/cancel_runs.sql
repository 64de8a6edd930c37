-- Cancel the runs $1 and all that descends from them, for the reason $2: see plait.cancel_runs in the migrations.
SELECT plait.cancel_runs($1::uuid[], $2) AS run_ids
