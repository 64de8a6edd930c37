-- The one source of time. Inlined by the planner; tests replace it by a clock they can move.
CREATE OR REPLACE FUNCTION plait.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
AS 'SELECT pg_catalog.now()';
