-- Park tasks of worker $1 that must wait for their conditions: see functions/park_tasks.sql.
SELECT parked, next_due, actions
FROM plait.park_tasks($1, $2::uuid[], $3::int2[], $4::int2[], $5::int4[], $6::int8[], $7::int8[], $8::int8[], $9::text[],
                      $10::text[])
