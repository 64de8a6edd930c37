-- A piece of the outcome (output or error) of task $2 of run $1: $4 bytes from position $3 on, which begins with 1.
-- Index: attempt's key.
SELECT substring(coalesce(output, error) FROM $3::int4 FOR $4::int4) AS piece
FROM plait.attempt WHERE run_id = $1 AND task = $2 AND plait.is_outcome(status)
ORDER BY attempt DESC LIMIT 1
