-- Workflow and task of the actions $1. Index: action's key.
SELECT id, workflow, task FROM plait.action WHERE id = ANY ($1::int[])
