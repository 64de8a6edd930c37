-- What became of the newest $4 runs with ids from $1 to below $2, those of the workflows $3 (NULL: all), and of their tasks:
-- (kind, code, count). Kinds: seen (how many runs were looked at), run (0 queued, 1 running, else the outcome), and of tasks
-- all, outcome (by code) and room (1 running, 2 ready); `open_` in front: of runs that have not ended.
-- Index: run's key within those ids, attempt's and running's for each run, ready_order between their positions for each action.
WITH seen AS MATERIALIZED (
    SELECT id, position, version_id, status FROM plait.run WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT $4
), chosen AS MATERIALIZED (
    SELECT s.id, s.status, cardinality(v.actions) AS tasks
    FROM seen s
    CROSS JOIN LATERAL (SELECT workflow, actions FROM plait.workflow_version WHERE id = s.version_id OFFSET 0) v
    WHERE $3::text[] IS NULL OR v.workflow = ANY ($3)
), held AS MATERIALIZED (
    SELECT c.id, r.tasks
    FROM chosen c
    CROSS JOIN LATERAL (SELECT count(*) AS tasks FROM plait.running t WHERE t.run_id = c.id) r
    WHERE c.status = plait.open() AND r.tasks > 0
)
SELECT 'seen' AS kind, 0 AS code, count(*) AS amount FROM seen
UNION ALL
SELECT CASE WHEN status = plait.open() THEN 'open_all' ELSE 'all' END, 0, sum(tasks) FROM chosen GROUP BY 1
UNION ALL
SELECT 'run', o.code, count(*)
FROM (
    SELECT CASE WHEN c.status <> plait.open() THEN c.status
                WHEN c.id IN (SELECT id FROM held) THEN 1
                WHEN (SELECT true FROM plait.attempt a WHERE a.run_id = c.id LIMIT 1) THEN 1
                ELSE 0 END AS code
    FROM chosen c
) o
GROUP BY o.code
UNION ALL
SELECT CASE WHEN c.status = plait.open() THEN 'open_outcome' ELSE 'outcome' END, a.status, count(*)
FROM chosen c
CROSS JOIN LATERAL (SELECT status FROM plait.attempt WHERE run_id = c.id AND plait.is_outcome(status) OFFSET 0) a
GROUP BY 1, a.status
UNION ALL
SELECT 'room', 1, coalesce(sum(tasks), 0) FROM held
UNION ALL
SELECT 'room', 2, count(*)
FROM plait.action a
CROSS JOIN unnest('{1,2,3}'::int2[]) AS p(priority)
CROSS JOIN LATERAL (
    SELECT FROM plait.ready q
    WHERE q.era = ANY (ARRAY(SELECT era FROM plait.era)) AND q.action_id = a.id AND q.priority = p.priority
      AND q.position BETWEEN (SELECT min(position) FROM seen) AND (SELECT max(position) FROM seen)
      AND q.run_id >= (SELECT id FROM seen ORDER BY id LIMIT 1) AND q.run_id < $2
    OFFSET 0
) r
WHERE $3::text[] IS NULL OR a.workflow = ANY ($3)
