-- Give scheduled runs $1 the times $2, unless they have started. Returns those that were moved.
-- Locks: the rows, in id order if the ids come so. Index: scheduled's key.
UPDATE plait.scheduled s SET run_at = w.run_at
FROM unnest($1::uuid[], $2::timestamptz[]) AS w(id, run_at)
WHERE s.id = w.id AND s.run_id IS NULL
RETURNING s.id
