-- A page of at most $5 scheduled runs, the latest time first, behind the one with id $4. $1 workflow, $2 whether started,
-- $3 metadata, NULL for any. Index: scheduled_time, backwards, behind the one before; filters read on until the page is full.
SELECT s.id, s.workflow, s.run_at, s.run_id, s.input, s.metadata::text AS metadata, s.priority, s.created_at
FROM plait.scheduled s
LEFT JOIN plait.scheduled before ON before.id = $4
WHERE ($4::uuid IS NULL OR (s.run_at, s.id) < (before.run_at, before.id))
  AND ($1::text IS NULL OR s.workflow = $1)
  AND ($2::bool IS NULL OR (s.run_id IS NOT NULL) = $2)
  AND ($3::text IS NULL OR s.metadata @> $3::text::jsonb)
ORDER BY s.run_at DESC, s.id DESC
LIMIT $5
