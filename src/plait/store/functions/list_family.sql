-- Runs and all that descend from them, in id order.
CREATE OR REPLACE FUNCTION plait.list_family(roots uuid[]) RETURNS uuid[] LANGUAGE sql STABLE AS $function$
    WITH RECURSIVE family(id) AS (
        SELECT unnest(roots)
        UNION
        SELECT c.run_id FROM family f
        CROSS JOIN LATERAL (
            SELECT run_id FROM plait.child WHERE parent_run_id = f.id ORDER BY parent_task, key LIMIT 2147483647
        ) c
    )
    SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM family
$function$;
