-- Runs that ended before $3 and that nobody can ask for any more, among the next ones in the order of their age (creation,
-- position) behind $1, $2; with the place of the last one that was looked at (NULL: there is none further). A child stays as
-- long as its parent: a replay of the parent finds it again; it goes together with one of the same page. As many runs as have
-- about $5 tasks together, at least one. `families`: the runs among them that are no children of others.
-- All by the clock of the server: what ids say of time comes from their makers. A run that ended before it was created, as a
-- clock that was set back tells, goes a little later.
-- Reads $4 runs, and the parents of the children among them. Locks: none. Index: run_age.
WITH RECURSIVE seen AS MATERIALIZED (
    SELECT r.id, r.created_at, r.position, r.version_id, r.status, r.finished_at,
           CASE WHEN r.trigger_kind = plait.by_parent() THEN r.trigger_id END AS parent_id
    FROM plait.run r
    WHERE (r.created_at, r.position) > ($1::timestamptz, $2::int8) AND r.created_at < $3
    ORDER BY r.created_at, r.position LIMIT $4
), ended AS MATERIALIZED (
    SELECT s.id, s.created_at, s.position, s.version_id, s.parent_id,
           EXISTS (SELECT 1 FROM plait.run p WHERE p.id = s.parent_id) AS has_parent
    FROM seen s WHERE s.status <> plait.open() AND s.finished_at < $3
), stays AS (
    SELECT e.id FROM ended e WHERE e.has_parent AND e.parent_id NOT IN (SELECT id FROM ended)
    UNION
    SELECT e.id FROM stays s JOIN ended e ON e.parent_id = s.id
), old AS (
    SELECT e.id, e.created_at, e.position, e.has_parent,
           sum(cardinality(v.actions)) OVER (ORDER BY e.created_at, e.position) - cardinality(v.actions) AS before
    FROM ended e CROSS JOIN LATERAL (SELECT actions FROM plait.workflow_version WHERE id = e.version_id LIMIT 1) v
    WHERE e.id NOT IN (SELECT id FROM stays)
), chosen AS (
    SELECT * FROM old WHERE before < $5
), looked AS (
    SELECT created_at, position FROM chosen WHERE (SELECT count(*) FROM chosen) < (SELECT count(*) FROM old)
    UNION ALL
    SELECT created_at, position FROM seen WHERE (SELECT count(*) FROM chosen) = (SELECT count(*) FROM old)
)
SELECT (SELECT array_agg(id ORDER BY created_at, position) FROM chosen) AS run_ids,
       (SELECT count(*) FROM chosen WHERE NOT has_parent)::int AS families,
       l.created_at AS last_created_at, l.position AS last_position
FROM (SELECT 1) one
LEFT JOIN (SELECT * FROM looked ORDER BY created_at DESC, position DESC LIMIT 1) l ON true
