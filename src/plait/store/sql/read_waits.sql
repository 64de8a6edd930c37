-- What tasks with conditions, by their keys $1, $2, have seen so far: since when they wait (in microseconds of the
-- database's clock, NULL for one that never waited), up to which event they looked, which conditions events have met.
-- Index: the keys of run and wait.
SELECT t.run_id, t.task, r.created_at, w.since, coalesce(w.position, 0) AS position, w.met
FROM unnest($1::uuid[], $2::int2[]) AS t(run_id, task)
JOIN plait.run r ON r.id = t.run_id
LEFT JOIN plait.wait w ON w.run_id = t.run_id AND w.task = t.task
