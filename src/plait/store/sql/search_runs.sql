-- A page of at most $11 of the newest $10 runs with ids from $2 to below $1 that pass filters, newest first.
-- $3 workflow names, $4 statuses (0: not ended), $5 whether tasks of it have begun, $6 kinds of triggers, $7 and $8 keys and
-- values of the metadata as text (all must fit), $9 what else the metadata contains. When it was triggered is a matter of ids.
-- Index: run's key, backwards; ends with the page, and never looks at more than $10 runs.
SELECT r.id, v.workflow, r.version_id, r.status, r.priority, r.created_at, r.finished_at, r.metadata::text AS metadata,
       b.begun, r.trigger_kind, r.trigger_id
FROM (
    SELECT s.* FROM plait.run s WHERE s.id < $1::uuid AND s.id >= $2::uuid ORDER BY s.id DESC LIMIT $10
) r
CROSS JOIN LATERAL (SELECT workflow FROM plait.workflow_version WHERE id = r.version_id OFFSET 0) v
CROSS JOIN LATERAL (
    SELECT
-- Include fragments/begun.sql.
) b
WHERE ($3::text[] IS NULL
       OR r.version_id = ANY (ARRAY(SELECT w.id FROM plait.workflow_version w WHERE w.workflow = ANY ($3))))
  AND ($4::int2[] IS NULL OR r.status = ANY ($4))
  AND ($5::bool IS NULL OR r.status <> plait.open() OR b.begun = $5)
  AND ($6::int2[] IS NULL OR r.trigger_kind = ANY ($6))
  AND ($7::text[] IS NULL OR NOT EXISTS (
      SELECT FROM unnest($7, $8::text[]) AS m(key, value) WHERE r.metadata ->> m.key IS DISTINCT FROM m.value))
  AND ($9::jsonb IS NULL OR r.metadata @> $9)
ORDER BY r.id DESC
LIMIT $11
