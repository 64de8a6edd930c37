-- A page of at most $8 runs, newest first, older than run $1 (NULL: from the newest).
-- $2 workflow names, $3 statuses (0: not ended), $4 whether tasks of it have begun, $5 since, $6 until, $7 metadata.
-- Index: run's key, backwards; a page reads no further than it must to fill itself.
SELECT r.id, v.workflow, r.status, r.priority, r.created_at, r.finished_at, r.metadata::text AS metadata, b.begun
FROM plait.run r
JOIN plait.workflow_version v ON v.id = r.version_id
CROSS JOIN LATERAL (
    SELECT r.status <> 0
        OR EXISTS (SELECT 1 FROM plait.running t WHERE t.run_id = r.id)
        OR EXISTS (SELECT 1 FROM plait.attempt a WHERE a.run_id = r.id) AS begun
) b
WHERE ($1::uuid IS NULL OR r.id < $1)
  AND ($2::text[] IS NULL OR v.workflow = ANY ($2))
  AND ($3::int2[] IS NULL OR r.status = ANY ($3))
  AND ($4::bool IS NULL OR r.status <> 0 OR b.begun = $4)
  AND ($5::timestamptz IS NULL OR r.created_at >= $5)
  AND ($6::timestamptz IS NULL OR r.created_at < $6)
  AND ($7::jsonb IS NULL OR r.metadata @> $7)
ORDER BY r.id DESC
LIMIT $8
