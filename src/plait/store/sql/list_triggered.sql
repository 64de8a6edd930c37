-- A page of at most $3 runs that $1 (an event, a cron, a scheduled or a replayed run) started, oldest first, behind the
-- run $2. Index: run_trigger.
SELECT r.id, v.workflow, r.status, r.priority, r.created_at, r.finished_at, r.metadata::text AS metadata,
       r.trigger_kind, r.trigger_id,
       r.status <> 0
           OR (SELECT true FROM plait.running t WHERE t.run_id = r.id LIMIT 1) IS NOT NULL
           OR (SELECT true FROM plait.attempt a WHERE a.run_id = r.id LIMIT 1) IS NOT NULL AS begun
FROM plait.run r
JOIN plait.workflow_version v ON v.id = r.version_id
WHERE r.trigger_kind > 1 AND r.trigger_id = $1 AND r.id > $2
ORDER BY r.id
LIMIT $3
