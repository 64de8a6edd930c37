-- The id of the run $3 places before $1, by id, if that is not below $2: where a bounded search ended. Index: run's key.
SELECT id FROM plait.run WHERE id < $1::uuid AND id >= $2::uuid ORDER BY id DESC OFFSET $3 - 1 LIMIT 1
