-- Take or renew the lease $1 for $2, for $3 microseconds. A row comes back to whoever holds it now.
INSERT INTO plait.lease AS l (name, holder, expires_at)
VALUES ($1, $2, plait.now() + $3::int8 * interval '1 microsecond')
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE l.holder = excluded.holder OR l.expires_at < plait.now()
RETURNING holder
