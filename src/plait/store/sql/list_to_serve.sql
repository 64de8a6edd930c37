-- The versions that are to be served: of each workflow that live workers have the newest, where that is not what is served
-- with its crons, or where it is one of $1. A scan of the live workers.
SELECT l.workflow, l.version_id, coalesce(s.crons_of = l.version_id, false) AS has_crons
FROM (
-- Include fragments/live_versions.sql.
) l
LEFT JOIN plait.workflow s ON s.name = l.workflow
WHERE s.version_id IS DISTINCT FROM l.version_id OR s.crons_of IS DISTINCT FROM l.version_id
   OR l.version_id = ANY ($1::int[])
ORDER BY l.version_id
