-- Runs that ended before a moment and that nobody can ask for any more, among the next ones in the order of their ids; with
-- the last id that was looked at (NULL: there is none further). A child stays as long as its parent: a replay of the parent
-- finds it again; it goes together with one of the same page. As many runs as have about $4 tasks together, at least one.
-- `families`: the runs among them that are no children of others.
-- Reads $3 runs, and the parents of the children among them. Locks: none. Index: run's key.
WITH RECURSIVE seen AS MATERIALIZED (
    SELECT r.id, r.version_id, r.status, r.finished_at,
           CASE WHEN r.trigger_kind = plait.by_parent() THEN r.trigger_id END AS parent_id
    FROM plait.run r
    WHERE r.id > $1 AND r.id < plait.lowest_id($2)
    ORDER BY r.id LIMIT $3
), ended AS MATERIALIZED (
    SELECT s.id, s.version_id, s.parent_id, EXISTS (SELECT 1 FROM plait.run p WHERE p.id = s.parent_id) AS has_parent
    FROM seen s WHERE s.status <> plait.open() AND s.finished_at < $2
), stays AS (
    SELECT e.id FROM ended e WHERE e.has_parent AND e.parent_id NOT IN (SELECT id FROM ended)
    UNION
    SELECT e.id FROM stays s JOIN ended e ON e.parent_id = s.id
), old AS (
    SELECT e.id, e.has_parent, sum(cardinality(v.actions)) OVER (ORDER BY e.id) - cardinality(v.actions) AS before
    FROM ended e JOIN plait.workflow_version v ON v.id = e.version_id
    WHERE e.id NOT IN (SELECT id FROM stays)
), chosen AS (
    SELECT id, has_parent FROM old WHERE before < $4
)
SELECT (SELECT array_agg(id ORDER BY id) FROM chosen) AS run_ids,
       (SELECT count(*) FROM chosen WHERE NOT has_parent)::int AS families,
       CASE WHEN (SELECT count(*) FROM chosen) < (SELECT count(*) FROM old) THEN (SELECT max(id::text)::uuid FROM chosen)
            ELSE (SELECT max(id::text)::uuid FROM seen) END AS last
