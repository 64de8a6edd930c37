-- What tasks with conditions, by their keys $1, $2, have seen so far: since when they wait (NULL for one that never
-- waited), up to which event they looked, from which position on events count, which conditions events have met.
-- Index: the keys of run and wait, a probe each.
SELECT t.run_id, t.task, r.events_from, w.since, coalesce(w.position, 0) AS position, w.met
FROM unnest($1::uuid[], $2::int2[]) AS t(run_id, task)
CROSS JOIN LATERAL (
    SELECT coalesce(events_from, position) AS events_from FROM plait.run WHERE id = t.run_id LIMIT 1
) r
LEFT JOIN LATERAL (
    SELECT since, position, met FROM plait.wait WHERE run_id = t.run_id AND task = t.task LIMIT 1
) w ON true
