-- The newest version of a workflow that a live worker has; NULL when none has any.
CREATE OR REPLACE FUNCTION plait.find_live_version(of_workflow text) RETURNS integer LANGUAGE sql STABLE AS $function$
    SELECT max(v.id)
    FROM plait.worker w
    CROSS JOIN LATERAL unnest(w.versions) AS s(version_id)
    JOIN plait.workflow_version v ON v.id = s.version_id
    WHERE w.ended_at IS NULL AND v.workflow = of_workflow
$function$;
