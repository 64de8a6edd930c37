-- A version of a workflow: number $2, else the one of workflow $1 that is served, else its newest; `served_at` only if it is
-- served. Index: the keys of workflow and workflow_version; without $2 and a served one, all versions of that name.
SELECT v.id, v.workflow, v.digest, v.definition, v.created_at, w.served_at
FROM plait.workflow_version v
LEFT JOIN plait.workflow w ON w.name = v.workflow AND w.version_id = v.id
WHERE v.id = coalesce(
    $2::int,
    (SELECT s.version_id FROM plait.workflow s WHERE s.name = $1),
    (SELECT n.id FROM plait.workflow_version n WHERE n.workflow = $1 ORDER BY n.created_at DESC, n.id DESC LIMIT 1)
)
