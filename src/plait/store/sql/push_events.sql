-- Store events: ids $1, keys $2, payloads $3, metadata $4, scopes $5, priorities $6; see functions/push_events.sql.
-- Repeatable: an id that is there already is left alone.
SELECT plait.push_events($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::int2[])
