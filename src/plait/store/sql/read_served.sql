-- The version of workflow $1 that is served now. Index: workflow's key.
SELECT version_id FROM plait.workflow WHERE name = $1
