-- How many tasks are ready, for each of the actions $1 (NULL: of all), up to $2 each, and since when the oldest of these.
-- Index: ready_order, up to $2 entries per action.
SELECT a.id AS action_id, r.tasks, r.oldest
FROM (
    SELECT unnest($1::int[]) AS id
    UNION ALL
    SELECT id FROM plait.action WHERE $1::int[] IS NULL
) a
CROSS JOIN LATERAL (
    SELECT count(*)::int AS tasks, min(counted.queued_at) AS oldest
    FROM (
        -- In the order of the index: a bitmap would read the whole queue before the limit.
        SELECT f.queued_at
        FROM plait.era e
        CROSS JOIN LATERAL (
            SELECT q.queued_at FROM plait.ready q WHERE q.era = e.era AND q.action_id = a.id
            ORDER BY q.priority DESC, q.position, q.task LIMIT $2
        ) f
        LIMIT $2
    ) counted
) r
WHERE r.tasks > 0
