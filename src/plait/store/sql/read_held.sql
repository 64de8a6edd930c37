-- What the database believes worker $1 holds; asked after a reply was lost. A scan of running, which is small.
SELECT t.run_id, t.task, t.attempt, t.retry, t.lost, t.priority, t.action_id, t.queued_at, t.started_at,
       r.version_id, r.input, r.metadata::text AS metadata, r.status, r.worst
FROM plait.running t
JOIN plait.run r ON r.id = t.run_id
WHERE t.worker_id = $1
