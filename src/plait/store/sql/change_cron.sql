-- Change a cron: $2 expression, $3 time zone, $4 catch-up policy, $5 bound, $6 input, $7 metadata, $8 priority, $9 paused.
-- $10: whether its next time becomes $11. No row: it is gone, or has fired since $11 was looked up.
-- Locks: the cron. Index: its key.
UPDATE plait.cron
SET expression = $2, timezone = $3, catch_up = $4, bound_us = $5, input = $6, metadata = $7::text::jsonb, priority = $8,
    paused = $9, next_at = CASE WHEN $10::bool THEN $11::timestamptz ELSE next_at END
WHERE id = $1 AND (NOT $10::bool OR $11::timestamptz IS NULL OR last_at IS NULL OR last_at < $11::timestamptz)
RETURNING id
