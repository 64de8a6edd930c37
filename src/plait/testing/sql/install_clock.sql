-- Replaces Plait's one source of time by one that runs ahead of the real time by as much as a test has skipped.
CREATE TABLE plait.test_clock (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    ahead interval NOT NULL DEFAULT '0'
);
INSERT INTO plait.test_clock DEFAULT VALUES;

CREATE OR REPLACE FUNCTION plait.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
AS 'SELECT pg_catalog.now() + (SELECT ahead FROM plait.test_clock)';

CREATE OR REPLACE FUNCTION plait.clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
AS 'SELECT pg_catalog.clock_timestamp() + (SELECT ahead FROM plait.test_clock)';

-- Let time pass. Silence is measured in real time: the leases of workers and of the maintenance move along, in the same
-- transaction. The locks are there because a heartbeat that had read the old clock and wrote after us would look hours
-- old: a statement takes its table locks before its snapshot, so every heartbeat comes wholly before or wholly after.
CREATE FUNCTION plait.skip_time(by interval) RETURNS void LANGUAGE plpgsql AS $function$
BEGIN
    LOCK TABLE plait.worker, plait.lease IN SHARE ROW EXCLUSIVE MODE;
    UPDATE plait.worker SET heartbeat_at = heartbeat_at + by WHERE ended_at IS NULL;
    UPDATE plait.lease SET expires_at = expires_at + by;
    UPDATE plait.test_clock SET ahead = ahead + by;
    PERFORM pg_notify('plait_timer', '');
END
$function$;
