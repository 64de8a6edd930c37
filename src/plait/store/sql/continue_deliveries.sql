-- Wake up to $1 tasks more that events concern: see functions/continue_deliveries.sql.
SELECT woken, complete, actions FROM plait.continue_deliveries($1::int4)
