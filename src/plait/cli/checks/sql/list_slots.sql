-- Replication slots that nobody reads, with the bytes of WAL that are kept for them.
SELECT slot_name AS name, (pg_catalog.pg_current_wal_lsn() - restart_lsn)::float8 AS bytes,
       xmin IS NOT NULL OR catalog_xmin IS NOT NULL AS holds_rows
FROM pg_catalog.pg_replication_slots
WHERE NOT active AND restart_lsn IS NOT NULL
ORDER BY bytes DESC
LIMIT 5
