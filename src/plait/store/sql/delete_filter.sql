-- Drop filter $1, unless it was declared in code. Index: filter's key.
DELETE FROM plait.filter WHERE id = $1 AND NOT declared RETURNING id
