-- Which of the ids $1 are runs at all.
SELECT id FROM plait.run WHERE id = ANY ($1::uuid[])
