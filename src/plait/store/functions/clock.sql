-- The time at this very moment, for where a transaction may be long. Tests replace it by a clock they can move.
CREATE OR REPLACE FUNCTION plait.clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
AS 'SELECT pg_catalog.clock_timestamp()';
