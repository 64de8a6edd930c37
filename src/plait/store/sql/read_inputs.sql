-- The inputs of the runs $1, and what triggered them. Index: run's key.
SELECT id, input, trigger_id FROM plait.run WHERE id = ANY ($1::uuid[])
