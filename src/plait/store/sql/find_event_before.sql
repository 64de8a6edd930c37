-- The id of the event $3 places before $1, by id, if that is not below $2: where a bounded search ended. Index: event's key.
SELECT id FROM plait.event WHERE id < $1::uuid AND id >= $2::uuid ORDER BY id DESC OFFSET $3 - 1 LIMIT 1
