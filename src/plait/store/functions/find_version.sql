-- The version that time starts of a workflow: what is served now, else the newest that is stored.
CREATE OR REPLACE FUNCTION plait.find_version(of_workflow text) RETURNS integer LANGUAGE sql STABLE AS $function$
    SELECT coalesce(
        (SELECT version_id FROM plait.workflow WHERE name = of_workflow),
        (SELECT max(id) FROM plait.workflow_version WHERE workflow = of_workflow))
$function$;
