-- A page of at most $3 workflows in order of their names, from behind $1, whose names hold $2 (whatever the case; NULL: all):
-- each with its served version, else its newest. Index: the unique key of workflow_version, one probe for each name there
-- is up to the end of the page, then the versions of each name of the page that is not served.
WITH RECURSIVE known(workflow) AS (
    (SELECT v.workflow FROM plait.workflow_version v WHERE v.workflow > $1 ORDER BY v.workflow LIMIT 1)
    UNION ALL
    SELECT (SELECT v.workflow FROM plait.workflow_version v WHERE v.workflow > k.workflow ORDER BY v.workflow LIMIT 1)
    FROM known k WHERE k.workflow IS NOT NULL
), page AS MATERIALIZED (
    SELECT k.workflow FROM known k
    WHERE k.workflow IS NOT NULL AND ($2::text IS NULL OR strpos(lower(k.workflow), lower($2)) > 0)
    LIMIT $3
)
SELECT v.id, v.workflow, v.digest, v.definition, v.created_at, s.served_at
FROM page p
CROSS JOIN LATERAL (
    SELECT (SELECT w.version_id FROM plait.workflow w WHERE w.name = p.workflow) AS version_id,
           (SELECT w.served_at FROM plait.workflow w WHERE w.name = p.workflow) AS served_at
) s
CROSS JOIN LATERAL (
    SELECT * FROM plait.workflow_version v WHERE v.id = coalesce(s.version_id, (
        SELECT n.id FROM plait.workflow_version n WHERE n.workflow = p.workflow ORDER BY n.created_at DESC, n.id DESC LIMIT 1
    ))
    LIMIT 1
) v
ORDER BY v.workflow
