-- Cancel up to $1 child runs that are ordered to be cancelled: see functions/carry_out_cancellations.sql.
SELECT ended, looked_at FROM plait.carry_out_cancellations($1)
