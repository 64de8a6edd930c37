-- The attempts of task $2 of run $1 with their errors, and the first $3 bytes of an output. Index: attempt's key.
SELECT attempt, status, error, substring(output FROM 1 FOR $3) AS output, octet_length(output) AS output_size
FROM plait.attempt WHERE run_id = $1 AND task = $2 ORDER BY attempt
