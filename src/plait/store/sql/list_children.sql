-- At most $3 of the child runs of run $1 with ids above $2, oldest first. Index: child's key, all of the run's; run's key.
SELECT r.id, v.workflow, r.version_id, r.status, r.priority, r.created_at, r.finished_at, r.metadata::text AS metadata,
       b.begun, r.trigger_kind, r.trigger_id, c.parent_task, c.key
FROM (
    SELECT run_id, parent_task, key FROM plait.child WHERE parent_run_id = $1 AND run_id > $2::uuid ORDER BY run_id LIMIT $3
) c
CROSS JOIN LATERAL (SELECT * FROM plait.run WHERE id = c.run_id LIMIT 1) r
CROSS JOIN LATERAL (SELECT workflow FROM plait.workflow_version WHERE id = r.version_id LIMIT 1) v
CROSS JOIN LATERAL (
    SELECT
-- Include fragments/begun.sql.
) b
ORDER BY r.id
