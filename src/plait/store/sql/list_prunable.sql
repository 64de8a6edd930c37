-- Runs that ended before a moment and that nobody can ask for any more, among the next ones in the order of their ids; with
-- the last id that was looked at (NULL: there is none further). A child stays as long as its parent: a replay of the parent
-- finds it again. As many runs as have about $4 tasks together, at least one.
-- Reads $3 runs, and the parents of the children among them. Locks: none. Index: run's key.
WITH seen AS MATERIALIZED (
    SELECT r.id, r.version_id, r.status, r.finished_at, r.trigger_kind, r.trigger_id
    FROM plait.run r
    WHERE r.id > $1 AND r.id < plait.lowest_id($2)
    ORDER BY r.id LIMIT $3
), old AS (
    SELECT s.id, sum(cardinality(v.actions)) OVER (ORDER BY s.id) - cardinality(v.actions) AS before
    FROM seen s JOIN plait.workflow_version v ON v.id = s.version_id
    WHERE s.status <> 0 AND s.finished_at < $2
      AND NOT (coalesce(s.trigger_kind, 0) = 1 AND EXISTS (SELECT 1 FROM plait.run p WHERE p.id = s.trigger_id))
), chosen AS (
    SELECT id FROM old WHERE before < $4
)
SELECT (SELECT array_agg(id ORDER BY id) FROM chosen) AS run_ids,
       CASE WHEN (SELECT count(*) FROM chosen) < (SELECT count(*) FROM old) THEN (SELECT max(id::text)::uuid FROM chosen)
            ELSE (SELECT max(id::text)::uuid FROM seen) END AS last
