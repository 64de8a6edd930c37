-- The runs $1 in id order, as list_runs.sql gives them. Index: run's key.
SELECT r.id, v.workflow, r.status, r.priority, r.created_at, r.finished_at, r.metadata::text AS metadata,
       r.trigger_kind, r.trigger_id,
       r.status <> 0
           OR (SELECT true FROM plait.running t WHERE t.run_id = r.id LIMIT 1) IS NOT NULL
           OR (SELECT true FROM plait.attempt a WHERE a.run_id = r.id LIMIT 1) IS NOT NULL AS begun
FROM plait.run r
JOIN plait.workflow_version v ON v.id = r.version_id
WHERE r.id = ANY ($1::uuid[])
ORDER BY r.id
