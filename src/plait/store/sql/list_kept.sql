-- Which of the runs $1 there are. Locks: none. Index: run's key.
SELECT r.id FROM plait.run r WHERE r.id = ANY ($1::uuid[])
