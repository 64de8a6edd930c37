-- Those of the runs $1 that pass filters, newest first; the filters are numbered as in search_runs, from $2 on.
-- Index: run's key, one probe per run.
SELECT r.id, v.workflow, r.version_id, r.status, r.priority, r.created_at, r.finished_at, r.metadata::text AS metadata,
       b.begun, r.trigger_kind, r.trigger_id
FROM unnest($1::uuid[]) AS w(id)
CROSS JOIN LATERAL (SELECT * FROM plait.run WHERE id = w.id LIMIT 1) r
CROSS JOIN LATERAL (SELECT workflow FROM plait.workflow_version WHERE id = r.version_id LIMIT 1) v
CROSS JOIN LATERAL (
    SELECT
-- Include fragments/begun.sql.
) b
WHERE ($2::text[] IS NULL OR v.workflow = ANY ($2))
  AND ($3::int2[] IS NULL OR r.status = ANY ($3))
  AND ($4::bool IS NULL OR r.status <> plait.open() OR b.begun = $4)
  AND ($5::int2[] IS NULL OR r.trigger_kind = ANY ($5))
  AND ($6::text[] IS NULL OR NOT EXISTS (
      SELECT FROM unnest($6, $7::text[]) AS m(key, value) WHERE r.metadata ->> m.key IS DISTINCT FROM m.value))
  AND ($8::jsonb IS NULL OR r.metadata @> $8)
ORDER BY r.id DESC
