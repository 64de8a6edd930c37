-- The inputs of the runs $1. Index: run's key.
SELECT id, input FROM plait.run WHERE id = ANY ($1::uuid[])
