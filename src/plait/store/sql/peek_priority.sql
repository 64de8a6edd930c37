-- The highest priority ready among the actions $1; NULL when none is. One index entry per action.
SELECT max(p.priority) AS priority
FROM unnest($1::int[]) AS a(action_id)
CROSS JOIN LATERAL (
    SELECT priority FROM plait.ready r WHERE r.action_id = a.action_id ORDER BY r.priority DESC, r.position, r.task LIMIT 1
) p
