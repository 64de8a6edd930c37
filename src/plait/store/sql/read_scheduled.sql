-- Scheduled runs by id. Index: scheduled's key.
SELECT id, workflow, run_at, run_id, input, metadata::text AS metadata, priority, created_at
FROM plait.scheduled WHERE id = ANY ($1::uuid[])
