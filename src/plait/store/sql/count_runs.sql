-- How many runs pass the filters of list_runs.sql: $1 the id they are below, $2 workflow names, $3 statuses, $4 whether
-- tasks have begun, $5 since, $6 until, $7 metadata, $8 the id they begin with. Reads all runs between the two ids.
SELECT count(*)::int8 AS runs
FROM plait.run r
JOIN plait.workflow_version v ON v.id = r.version_id
WHERE r.id < $1::uuid AND r.id >= $8::uuid
  AND ($2::text[] IS NULL OR v.workflow = ANY ($2))
  AND ($3::int2[] IS NULL OR r.status = ANY ($3))
  AND ($4::bool IS NULL OR r.status <> 0 OR $4 = (
      (SELECT true FROM plait.running t WHERE t.run_id = r.id LIMIT 1) IS NOT NULL
      OR (SELECT true FROM plait.attempt a WHERE a.run_id = r.id LIMIT 1) IS NOT NULL))
  AND ($5::timestamptz IS NULL OR r.created_at >= $5)
  AND ($6::timestamptz IS NULL OR r.created_at < $6)
  AND ($7::jsonb IS NULL OR r.metadata @> $7)
