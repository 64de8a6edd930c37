-- The tasks that are neither terminal nor wait for their parents, for messages.
SELECT a.workflow, a.task, o.room
FROM (
    SELECT run_id, task, action_id, 'running' AS room FROM plait.running
    UNION ALL SELECT run_id, task, action_id, 'ready' FROM plait.ready
    UNION ALL SELECT run_id, task, action_id, 'waiting' FROM plait.waiting
) o
JOIN plait.action a ON a.id = o.action_id
ORDER BY o.run_id, o.task
LIMIT 20
