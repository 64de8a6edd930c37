-- Renew worker $1's lease, and note its pace $2 (NULL: as it was), its clock $3 (seconds since 1970) and
-- the expressions $4 that it has switched off. No row: it was declared dead and must start anew.
UPDATE plait.worker w
SET heartbeat_at = plait.now(), watched_us = coalesce((SELECT watched_us FROM plait.watch), 0),
    pace = coalesce($2::int[], w.pace), switched_off = $4::text[],
    clock_ms = ($3::float8 - extract(epoch FROM clock_timestamp())::float8) * 1000
WHERE w.id = $1 AND w.ended_at IS NULL
RETURNING w.id
