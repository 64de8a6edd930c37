-- How many of the outcomes $1..$4 (run, task, attempt, status) are stored. Index: attempt's key, one probe each.
SELECT count(*)::int AS stored
FROM unnest($1::uuid[], $2::int2[], $3::int2[], $4::int2[]) AS w(run_id, task, attempt, status)
CROSS JOIN LATERAL (
    SELECT FROM plait.attempt
    WHERE run_id = w.run_id AND task = w.task AND attempt = w.attempt AND status = w.status LIMIT 1
) a
