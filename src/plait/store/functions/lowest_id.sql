-- The lowest id of the version 7 (RFC 9562) that can have been made at a moment: its first 48 bits are the milliseconds
-- since 1970.
CREATE OR REPLACE FUNCTION plait.lowest_id(moment timestamptz) RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid $$;
