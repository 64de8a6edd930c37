-- Output and error of the last attempt of task $2 of run $1 that has either. Index: attempt's key.
SELECT output, error FROM plait.attempt
WHERE run_id = $1 AND task = $2 AND (output IS NOT NULL OR error IS NOT NULL)
ORDER BY attempt DESC LIMIT 1
