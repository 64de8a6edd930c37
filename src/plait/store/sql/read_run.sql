-- One run with its input and its version. Index: run's key.
SELECT r.id, r.version_id, r.status, r.priority, r.created_at, r.finished_at, r.input, r.metadata::text AS metadata
FROM plait.run r
WHERE r.id = $1
