-- Deliver the events $1 and wake at most $2 tasks: see plait.deliver_events in the migrations.
SELECT started, woken, actions
FROM plait.deliver_events($1::uuid[], $2::int4, $3::int4[], $4::uuid[], $5::int4[], $6::bytea[], $7::text[], $8::int2[],
                          $9::int4[], $10::int4[], $11::int2[])
