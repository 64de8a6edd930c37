-- Notify of something when the transaction commits; not where the queue of notifications is nearly full. PostgreSQL fails
-- every commit with a notification then, and a hint is no reason to fail what it speaks of. (The queue fills while a session
-- that listens stays in a transaction.)
CREATE OR REPLACE FUNCTION plait.tell(channel text, payload text) RETURNS void LANGUAGE sql
AS 'SELECT CASE WHEN pg_notification_queue_usage() < 0.9 THEN pg_notify(channel, payload) END';
