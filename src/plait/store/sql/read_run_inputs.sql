-- The inputs of the runs $1, at most $2 bytes together; of one that is withheld comes the size only. Index: run's key.
SELECT id, size, CASE WHEN size <= $2 AND total <= $2 THEN input END AS value
FROM (
    SELECT id, input, octet_length(input) AS size,
           sum(octet_length(input)) FILTER (WHERE octet_length(input) <= $2) OVER (ORDER BY id) AS total
    FROM plait.run WHERE id = ANY ($1::uuid[])
) run
