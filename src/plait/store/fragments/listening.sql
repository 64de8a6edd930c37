listening AS (
    -- A jump to the first who waits for a key in a scope, then to the next version or task: it reads one row of each.
    SELECT a.key, a.scope, a.first, n.version_id, n.task
    FROM asked a
    CROSS JOIN LATERAL (
        SELECT version_id, task FROM plait.awaited_event
        WHERE key = a.key AND scope = a.scope
        ORDER BY version_id, task LIMIT 1
    ) n
    UNION ALL
    SELECT l.key, l.scope, l.first, n.version_id, n.task
    FROM listening l
    CROSS JOIN LATERAL (
        SELECT version_id, task FROM plait.awaited_event
        WHERE key = l.key AND scope = l.scope AND (version_id, task) > (l.version_id, l.task)
        ORDER BY version_id, task LIMIT 1
    ) n
)
