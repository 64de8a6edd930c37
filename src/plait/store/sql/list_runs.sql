-- A page of at most $8 runs, newest first, with ids from $9 to below $1.
-- $2 workflow names, $3 statuses (0: not ended), $4 whether tasks of it have begun, $5 since, $6 until, $7 metadata.
-- Index: run's key, backwards, within those ids: bounds of time are bounds of ids as well, with some slack for clocks.
-- A filter that few runs pass reads all runs between the bounds.
SELECT r.id, v.workflow, r.status, r.priority, r.created_at, r.finished_at, r.metadata::text AS metadata, b.begun,
       r.trigger_kind, r.trigger_id
FROM plait.run r
JOIN plait.workflow_version v ON v.id = r.version_id
CROSS JOIN LATERAL (
    SELECT r.status <> 0
        OR (SELECT true FROM plait.running t WHERE t.run_id = r.id LIMIT 1) IS NOT NULL
        OR (SELECT true FROM plait.attempt a WHERE a.run_id = r.id LIMIT 1) IS NOT NULL AS begun
) b
WHERE r.id < $1::uuid AND r.id >= $9::uuid
  AND ($2::text[] IS NULL OR v.workflow = ANY ($2))
  AND ($3::int2[] IS NULL OR r.status = ANY ($3))
  AND ($4::bool IS NULL OR r.status <> 0 OR b.begun = $4)
  AND ($5::timestamptz IS NULL OR r.created_at >= $5)
  AND ($6::timestamptz IS NULL OR r.created_at < $6)
  AND ($7::jsonb IS NULL OR r.metadata @> $7)
ORDER BY r.id DESC
LIMIT $8
