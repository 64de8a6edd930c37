-- Whether what a worker held may be what ended it; see the column ending of plait.worker.
CREATE OR REPLACE FUNCTION plait.is_suspicious(ending text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT ending NOT IN ('stopped', 'unreachable') $$;
