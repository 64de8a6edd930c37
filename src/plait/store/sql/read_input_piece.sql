-- A piece of the input of run $1: $3 bytes from position $2 on, which begins with 1. Index: run's key.
SELECT substring(input FROM $2::int4 FOR $3::int4) AS piece FROM plait.run WHERE id = $1
