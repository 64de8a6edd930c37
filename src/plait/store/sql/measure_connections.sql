-- How many connections are open and how many may be: of the server and, where they have limits of their own, of this
-- database and this role. Needs no schema of Plait's.
WITH open AS MATERIALIZED (
    SELECT datid, usesysid FROM pg_catalog.pg_stat_activity
    WHERE backend_type = 'client backend'
       OR (backend_type IS NULL AND usesysid IS NOT NULL)  -- of others it is not told to everybody
)
SELECT 'server' AS what, NULL::text AS name, (SELECT count(*)::int FROM open) AS used,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true)::int, 0) AS most
UNION ALL
SELECT 'database', quote_ident(d.datname), (SELECT count(*)::int FROM open WHERE datid = d.oid), d.datconnlimit
FROM pg_catalog.pg_database d WHERE d.datname = current_database() AND d.datconnlimit >= 0
UNION ALL
SELECT 'role', quote_ident(r.rolname), (SELECT count(*)::int FROM open WHERE usesysid = r.oid), r.rolconnlimit
FROM pg_catalog.pg_roles r WHERE r.rolname = session_user AND r.rolconnlimit >= 0
