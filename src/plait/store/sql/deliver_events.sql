-- Deliver the events $1 and wake about $2 tasks: see functions/deliver_events.sql.
SELECT started, woken, complete, actions
FROM plait.deliver_events($1::uuid[], $2::int4, $3::int4[], $4::uuid[], $5::int4[], $6::text[], $7::int2[],
                          $8::text[], $9::text[], $10::int4[], $11::int2[], $12::int4[])
