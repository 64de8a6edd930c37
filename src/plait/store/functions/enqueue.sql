-- Start runs inside the user's own transaction, through any driver: plait.start_runs from one JSON text, with a hint to
-- sleeping workers when that transaction commits. `json`, not `jsonb`: the input is kept to the letter.
CREATE OR REPLACE FUNCTION plait.enqueue(requests text) RETURNS uuid[] LANGUAGE sql AS $function$
    SELECT plait.start_runs(
        array_agg((e ->> 'run_id')::uuid ORDER BY ord), array_agg((e ->> 'version_id')::int ORDER BY ord),
        array_agg(convert_to((e -> 'input')::text, 'UTF8') ORDER BY ord),
        array_agg(e ->> 'metadata' ORDER BY ord), array_agg((e ->> 'priority')::int2 ORDER BY ord),
        array_agg(e ->> 'idempotency_key' ORDER BY ord), true, true,
        array_agg((e ->> 'trigger_kind')::int2 ORDER BY ord), array_agg((e ->> 'trigger_id')::uuid ORDER BY ord),
        array_agg((e ->> 'trigger_task')::int2 ORDER BY ord), array_agg((e ->> 'trigger_attempt')::int2 ORDER BY ord),
        CASE WHEN bool_or(e ->> 'child_key' IS NOT NULL) THEN array_agg(e ->> 'child_key' ORDER BY ord) END)
    FROM json_array_elements(requests::json) WITH ORDINALITY AS r(e, ord)
$function$;
