-- How many tasks run and how many wait for a time or an event, by action; of each room the first $1 rows are looked at.
-- Index: the keys of running and waiting, up to $1 entries each.
SELECT 'running' AS room, r.action_id, count(*)::int AS tasks, min(r.started_at) AS oldest
FROM (SELECT action_id, started_at FROM plait.running LIMIT $1) r
GROUP BY r.action_id
UNION ALL
SELECT 'waiting', w.action_id, count(*)::int, NULL
FROM (SELECT action_id FROM plait.waiting LIMIT $1) w
GROUP BY w.action_id
