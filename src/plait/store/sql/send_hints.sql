-- Send hints: channels $1, payloads $2. On a connection of its own, after the commits it speaks of.
SELECT pg_backend_pid() AS pid, pg_notify(channel, payload) FROM unnest($1::text[], $2::text[]) AS h(channel, payload)
