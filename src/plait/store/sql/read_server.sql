-- What the server is: its version, its clock, whether it takes writes. Needs no schema of Plait's.
SELECT current_setting('server_version_num')::int AS version_number,
       current_setting('server_version') AS version,
       extract(epoch FROM clock_timestamp())::float8 AS clock,
       pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool AS read_only
