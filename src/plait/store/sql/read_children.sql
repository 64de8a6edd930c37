-- The child runs of the runs $1, as ids with the task that started each. Index: child's key.
SELECT c.parent_run_id, c.parent_task, c.key, c.run_id FROM plait.child c
WHERE c.parent_run_id = ANY ($1::uuid[]) ORDER BY c.parent_run_id, c.run_id
