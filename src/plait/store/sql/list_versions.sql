-- A page of at most $3 versions of workflow $1, newest first, with numbers below $2. Index: the unique key of
-- workflow_version, all entries of that name.
WITH own AS MATERIALIZED (
    SELECT id, digest, created_at, cardinality(actions) AS tasks FROM plait.workflow_version WHERE workflow = $1
)
SELECT o.id, o.digest, o.created_at, o.tasks, w.served_at
FROM own o
LEFT JOIN plait.workflow w ON w.name = $1 AND w.version_id = o.id
WHERE o.id < $2
ORDER BY o.id DESC
LIMIT $3
