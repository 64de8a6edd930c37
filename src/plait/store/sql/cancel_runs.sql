-- Cancel the runs $1 for the reason $2, and order what descends from them to be cancelled: see functions/cancel_runs.sql.
SELECT plait.cancel_runs($1::uuid[], array_fill($2::text, ARRAY[cardinality($1)]), $1) AS run_ids
