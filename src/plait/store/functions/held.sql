-- What stands in the place of a run's id where a transaction that is still open holds its key. No run has it.
CREATE OR REPLACE FUNCTION plait.held() RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS 'SELECT ''00000000-0000-0000-0000-000000000000''::uuid';
