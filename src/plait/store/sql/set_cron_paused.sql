-- Pause a cron ($2), or let a paused one go on with its next time $3. Locks: the cron. Index: its key.
UPDATE plait.cron SET paused = $2, next_at = CASE WHEN $2::bool THEN NULL ELSE $3::timestamptz END
WHERE id = $1 AND paused <> $2
