-- Take or renew the lease $1 for $2, for $3 microseconds. A row comes back to whoever holds it now. Who finds it held by
-- another reads only: it locks nothing and costs no transaction id.
INSERT INTO plait.lease AS l (name, holder, expires_at)
SELECT $1, $2, plait.now() + $3::int8 * interval '1 microsecond'
WHERE NOT EXISTS (SELECT 1 FROM plait.lease WHERE name = $1 AND holder <> $2 AND expires_at >= plait.now())
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE l.holder = excluded.holder OR l.expires_at < plait.now()
RETURNING holder
