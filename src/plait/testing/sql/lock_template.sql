-- Wait until no other process of the session makes the template. The lock ends with the connection.
SELECT pg_advisory_lock($1::int8)
