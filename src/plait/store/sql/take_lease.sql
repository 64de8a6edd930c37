-- Take or renew the lease $1 for $2, for $3 microseconds. A row comes back to whoever holds it now. Who finds it held by
-- another reads only: it locks nothing and costs no transaction id. One that ends later than it can have been renewed for is of
-- a clock that has been set back since, and over.
INSERT INTO plait.lease AS l (name, holder, expires_at)
SELECT $1, $2, plait.now() + $3::int8 * interval '1 microsecond'
WHERE NOT EXISTS (SELECT 1 FROM plait.lease WHERE name = $1 AND holder <> $2
                    AND expires_at BETWEEN plait.now() AND plait.now() + 2 * $3::int8 * interval '1 microsecond')
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE l.holder = excluded.holder
   OR l.expires_at NOT BETWEEN plait.now() AND plait.now() + 2 * $3::int8 * interval '1 microsecond'
RETURNING holder
