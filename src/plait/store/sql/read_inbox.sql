-- Up to $1 events that are to be delivered, oldest first, with payloads of about $2 bytes together; all but the events $3.
-- Index: the keys of event_inbox and event, a probe each.
SELECT id, key, scope, priority, payload, metadata
FROM (
    SELECT e.id, e.key, e.scope, e.priority, e.payload, e.metadata::text AS metadata, i.pushed,
           sum(octet_length(e.payload)) OVER (ORDER BY i.pushed) - octet_length(e.payload) AS before
    FROM (
        SELECT event_id, pushed FROM plait.event_inbox WHERE event_id <> ALL ($3::uuid[]) ORDER BY pushed LIMIT $1
    ) i
    CROSS JOIN LATERAL (SELECT * FROM plait.event WHERE id = i.event_id LIMIT 1) e
) found
WHERE before < $2::int8
ORDER BY pushed
