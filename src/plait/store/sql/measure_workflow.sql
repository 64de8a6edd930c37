-- Of the newest $2 runs, the newest $3 that ended and are of workflow $1: status, time of the trigger and how long each took.
-- Index: run's key, backwards.
SELECT r.id, r.version_id, r.status, r.created_at, extract(epoch FROM r.finished_at - r.created_at)::float8 * 1000 AS ms
FROM (SELECT id, version_id, status, created_at, finished_at FROM plait.run ORDER BY id DESC LIMIT $2) r
WHERE r.status <> plait.open()
  AND r.version_id = ANY (ARRAY(SELECT w.id FROM plait.workflow_version w WHERE w.workflow = $1))
ORDER BY r.id DESC
LIMIT $3
