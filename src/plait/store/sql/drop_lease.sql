-- Give the lease $1 back, if $2 holds it.
DELETE FROM plait.lease WHERE name = $1 AND holder = $2
