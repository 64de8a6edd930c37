-- What a replay of the runs $1 is planned from: version, end, and the outcome of every task. Index: keys of run, attempt.
SELECT r.id, r.version_id, r.status, r.finished_at,
       (SELECT array_agg(a.task ORDER BY a.task) FROM plait.attempt a
        WHERE a.run_id = r.id AND plait.is_outcome(a.status)) AS tasks,
       (SELECT array_agg(a.status ORDER BY a.task) FROM plait.attempt a
        WHERE a.run_id = r.id AND plait.is_outcome(a.status)) AS outcomes
FROM plait.run r
WHERE r.id = ANY ($1::uuid[])
