-- The advisory lock between deliveries (exclusive) and parking tasks (shared).
CREATE OR REPLACE FUNCTION plait.delivery_lock() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS 'SELECT 482733347188::bigint';
