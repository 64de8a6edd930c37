-- Delete the scheduled runs that have not started, of workflow $1 and with metadata $2, NULL for any. Returns their ids.
-- Index: scheduled_due, all of it.
DELETE FROM plait.scheduled
WHERE run_id IS NULL AND run_at < 'infinity'
  AND ($1::text IS NULL OR workflow = $1)
  AND ($2::text IS NULL OR metadata @> $2::text::jsonb)
RETURNING id
