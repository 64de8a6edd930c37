-- Counts of the newest $12 runs with ids from $2 to below $1 that pass filters (numbered as in search_runs), by bar of a
-- histogram of $13 bars over the time they were triggered, and by outcome (0: queued, 1: running).
-- The bars span $10 to $11; where one is not given, from the first or to the last of these runs.
-- Index: run's key, backwards, $12 runs at most; for each that has not ended, the keys of running and attempt.
WITH seen AS MATERIALIZED (
    SELECT r.created_at,
           CASE WHEN r.status <> plait.open() THEN r.status
                WHEN (SELECT true FROM plait.running t WHERE t.run_id = r.id LIMIT 1) THEN 1
                WHEN (SELECT true FROM plait.attempt a WHERE a.run_id = r.id LIMIT 1) THEN 1
                ELSE 0 END AS code
    FROM (
        SELECT s.id, s.created_at, s.version_id, s.status, s.trigger_kind, s.metadata
        FROM plait.run s WHERE s.id < $1::uuid AND s.id >= $2::uuid ORDER BY s.id DESC LIMIT $12
    ) r
    WHERE ($3::text[] IS NULL
           OR r.version_id = ANY (ARRAY(SELECT w.id FROM plait.workflow_version w WHERE w.workflow = ANY ($3))))
      AND ($4::int2[] IS NULL OR r.status = ANY ($4))
      AND ($6::int2[] IS NULL OR r.trigger_kind = ANY ($6))
      AND ($7::text[] IS NULL OR NOT EXISTS (
          SELECT FROM unnest($7, $8::text[]) AS m(key, value) WHERE r.metadata ->> m.key IS DISTINCT FROM m.value))
      AND ($9::jsonb IS NULL OR r.metadata @> $9)
), span AS MATERIALIZED (
    SELECT extract(epoch FROM coalesce($10::timestamptz, min(created_at)))::float8 AS first,
           greatest(extract(epoch FROM coalesce($11::timestamptz, max(created_at)))::float8,
                    extract(epoch FROM coalesce($10::timestamptz, min(created_at)))::float8 + 1) AS last
    FROM seen
)
SELECT least($13::int, greatest(1, width_bucket(extract(epoch FROM s.created_at)::float8, p.first, p.last, $13::int))) AS bar,
       s.code, count(*)::int AS runs, p.first, p.last
FROM seen s CROSS JOIN span p
WHERE $5::bool IS NULL OR s.code > 1 OR (s.code = 1) = $5
GROUP BY 1, 2, p.first, p.last
