-- A payload as jsonb, for people who look at it by SQL. NULL for what jsonb cannot hold: bytes that are no UTF-8 or no JSON,
-- and text with the character \u0000. So one bad payload fails no query. Its trap for errors makes it slow (several
-- microseconds); none of Plait's own statements calls it.
CREATE OR REPLACE FUNCTION plait.read_json(payload bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN convert_from(payload, 'UTF8')::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded OR statement_too_complex THEN
    RETURN NULL;
END
$$;
