-- Push events inside the user's own transaction: plait.push_events from one JSON text, with a hint when it commits.
CREATE OR REPLACE FUNCTION plait.enqueue_events(requests text) RETURNS timestamptz LANGUAGE sql AS $function$
    SELECT plait.push_events(
        array_agg((e ->> 'id')::uuid ORDER BY ord), array_agg(e ->> 'key' ORDER BY ord),
        array_agg(convert_to((e -> 'payload')::text, 'UTF8') ORDER BY ord), array_agg(e ->> 'metadata' ORDER BY ord),
        array_agg(e ->> 'scope' ORDER BY ord), array_agg((e ->> 'priority')::int2 ORDER BY ord), true)
    FROM json_array_elements(requests::json) WITH ORDINALITY AS r(e, ord)
$function$;
