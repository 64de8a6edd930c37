-- Change a cron: $2 expression, $3 time zone, $4 catch-up policy, $5 bound, $6 input, $7 metadata, $8 priority.
-- $10: whether its next time becomes $9, unless it is paused. No row: it is gone, or has fired since $9 was looked up.
-- Locks: the cron. Index: its key.
UPDATE plait.cron
SET expression = $2, timezone = $3, catch_up = $4, bound_us = $5, input = $6, metadata = $7::text::jsonb, priority = $8,
    next_at = CASE WHEN $10::bool AND NOT paused THEN $9::timestamptz ELSE next_at END
WHERE id = $1 AND (NOT $10::bool OR $9::timestamptz IS NULL OR last_at IS NULL OR last_at < $9::timestamptz)
RETURNING id
