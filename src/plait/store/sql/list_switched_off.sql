-- Expressions that live workers have switched off, by how many of them; where $1, with the workflows that have it, as far as
-- these are served by live workers: in a filter, or in a condition.
-- Index: worker_live; the key of workflow_version; none of filter, which is read once.
SELECT o.expression, o.workers,
       CASE WHEN $1::bool THEN (
           SELECT array_agg(DISTINCT found.workflow)
           FROM (
               SELECT f.workflow FROM plait.filter f WHERE starts_with(f.expression, o.expression)
               UNION ALL
               SELECT v.workflow
               FROM plait.worker w
               CROSS JOIN LATERAL unnest(w.versions) AS has(version_id)
               CROSS JOIN LATERAL (
                   SELECT workflow, definition FROM plait.workflow_version WHERE id = has.version_id LIMIT 1
               ) v
               WHERE w.ended_at IS NULL
                 AND jsonb_path_exists(v.definition::jsonb, '$.**.expression ? (@ starts with $e)',
                                       jsonb_build_object('e', o.expression))
           ) found
       ) END AS workflows
FROM (
    SELECT e.expression, count(*)::int AS workers
    FROM plait.worker w
    CROSS JOIN LATERAL unnest(w.switched_off) AS e(expression)
    WHERE w.ended_at IS NULL
    GROUP BY e.expression
) o
ORDER BY o.workers DESC, o.expression
