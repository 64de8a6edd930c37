-- One run; `begun` tells whether anything of it has been started. Index: run's key, then one probe per room.
SELECT r.id, r.version_id, r.status, r.priority, r.created_at, r.finished_at, r.input, r.metadata::text AS metadata,
       r.trigger_kind, r.trigger_id, r.trigger_task,
-- Include fragments/begun.sql.
FROM plait.run r
WHERE r.id = $1
