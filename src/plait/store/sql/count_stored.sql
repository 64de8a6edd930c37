-- How many of the outcomes $1..$4 (run, task, attempt, status) are stored. Index: attempt's key, one probe each.
SELECT count(*)::int AS stored
FROM unnest($1::uuid[], $2::int2[], $3::int2[], $4::int2[]) AS w(run_id, task, attempt, status)
JOIN plait.attempt a ON a.run_id = w.run_id AND a.task = w.task AND a.attempt = w.attempt AND a.status = w.status
