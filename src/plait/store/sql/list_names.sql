-- The names of at most $1 workflows, in order. Index: the unique key of workflow_version, one probe for each.
WITH RECURSIVE known(workflow) AS (
    (SELECT v.workflow FROM plait.workflow_version v ORDER BY v.workflow LIMIT 1)
    UNION ALL
    SELECT (SELECT v.workflow FROM plait.workflow_version v WHERE v.workflow > k.workflow ORDER BY v.workflow LIMIT 1)
    FROM known k WHERE k.workflow IS NOT NULL
)
SELECT workflow FROM known WHERE workflow IS NOT NULL LIMIT $1
