-- Schedule runs inside the user's own transaction: plait.schedule_runs from one JSON text, with a hint when it commits.
CREATE OR REPLACE FUNCTION plait.enqueue_scheduled(requests text) RETURNS void LANGUAGE sql AS $function$
    SELECT plait.schedule_runs(
        array_agg((e ->> 'id')::uuid), array_agg((e ->> 'version_id')::int), array_agg((e ->> 'run_at')::timestamptz),
        array_agg(convert_to((e -> 'input')::text, 'UTF8')), array_agg(e ->> 'metadata'),
        array_agg((e ->> 'priority')::int2))
    FROM json_array_elements(requests::json) AS r(e);
    SELECT plait.tell('plait_timer', '');
$function$;
