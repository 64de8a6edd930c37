-- The versions that are to be served: of each workflow that live workers have the newest, where that is not what is served
-- with its crons, or where it is one of $1. A scan of the live workers.
SELECT l.workflow, l.version_id, coalesce(s.crons_of = l.version_id, false) AS has_crons
FROM (
-- Include fragments/live_versions.sql.
) l
LEFT JOIN LATERAL (SELECT version_id, crons_of FROM plait.workflow WHERE name = l.workflow LIMIT 1) s ON true
WHERE s.version_id IS DISTINCT FROM l.version_id OR s.crons_of IS DISTINCT FROM l.version_id
   OR l.version_id = ANY ($1::int[])
ORDER BY l.version_id
