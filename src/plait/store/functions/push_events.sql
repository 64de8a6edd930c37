-- Store events, each once however often it is sent; they are delivered by whoever leads the maintenance.
CREATE OR REPLACE FUNCTION plait.push_events(
    ids uuid[], keys text[], payloads bytea[], metadatas text[], scopes text[], priorities smallint[],
    own_transaction boolean DEFAULT false
) RETURNS timestamptz LANGUAGE sql AS $function$
    WITH added AS (
        INSERT INTO plait.event (id, created_at, key, payload, metadata, scope, priority)
        SELECT id, CASE WHEN own_transaction THEN plait.clock() ELSE plait.now() END, key, payload, metadata::jsonb, scope, priority
        FROM unnest(ids, keys, payloads, metadatas, scopes, priorities) AS e(id, key, payload, metadata, scope, priority)
        ON CONFLICT (id) DO NOTHING
        RETURNING id, pushed, created_at
    ), queued AS (
        INSERT INTO plait.event_inbox (pushed, event_id) SELECT pushed, id FROM added RETURNING event_id
    )
    SELECT CASE WHEN own_transaction AND EXISTS (SELECT FROM queued) AND plait.tell('plait_event', '') IS NULL THEN NULL
                ELSE (SELECT max(created_at) FROM added) END
$function$;
