-- Run $1 with the first $2 bytes of its input (NULL: all), what started it by name, and how many runs it led to (1,000 at most).
-- Index: run's key; the keys of what started it; child's key, run_trigger.
SELECT r.id, v.workflow, r.version_id, r.status, r.priority, r.created_at, r.finished_at, r.metadata::text AS metadata,
       r.trigger_kind, r.trigger_id, r.trigger_task, r.cancel_tasks,
       substring(r.input FROM 1 FOR coalesce($2::int4, 1 << 30)) AS input, octet_length(r.input) AS input_size,
-- Include fragments/begun.sql.
       , CASE r.trigger_kind
           WHEN 2 THEN (SELECT e.key FROM plait.event e WHERE e.id = r.trigger_id)
           WHEN 3 THEN (SELECT c.name FROM plait.cron c WHERE c.id = r.trigger_id)
           WHEN 4 THEN (SELECT s.workflow FROM plait.scheduled s WHERE s.id = r.trigger_id)
           WHEN 1 THEN (SELECT pv.workflow FROM plait.workflow_version pv
                        WHERE pv.id = (SELECT p.version_id FROM plait.run p WHERE p.id = r.trigger_id))
           WHEN 5 THEN v.workflow
       END AS trigger_name,
       CASE WHEN r.trigger_kind = plait.by_parent() THEN (SELECT p.version_id FROM plait.run p WHERE p.id = r.trigger_id) END AS parent_version,
       (SELECT count(*)::int FROM (SELECT FROM plait.child c WHERE c.parent_run_id = r.id LIMIT 1000) k) AS children,
       (SELECT count(*)::int FROM (
           SELECT FROM plait.run p WHERE p.trigger_id = r.id AND p.trigger_kind > 1 LIMIT 1000) k) AS replays
FROM plait.run r
CROSS JOIN LATERAL (SELECT workflow FROM plait.workflow_version WHERE id = r.version_id LIMIT 1) v
WHERE r.id = $1
