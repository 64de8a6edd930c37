-- Delivered events in their order, at most $5 and about $6 bytes per question, one at least: question n asks for the keys
-- $1[n] (a JSON array of text) since the time $2[n] behind the position $3[n]. $4: whether payloads are wanted.
-- Index: event_key.
SELECT q.ord::int AS question, e.id, e.key, e.scope, e.position, CASE WHEN $4::bool THEN e.payload END AS payload
FROM unnest($1::text[], $2::timestamptz[], $3::int8[]) WITH ORDINALITY AS q(keys, since, position, ord)
CROSS JOIN LATERAL (
    SELECT v.id, v.key, v.scope, v.position, v.payload,
           sum(octet_length(v.payload)) OVER (ORDER BY v.position) - octet_length(v.payload) AS before
    FROM (
        SELECT u.*
        FROM jsonb_array_elements_text(q.keys::jsonb) AS k(key)
        CROSS JOIN LATERAL (
            SELECT * FROM plait.event e WHERE e.key = k.key AND e.created_at >= q.since AND e.position > q.position
            LIMIT 2147483647
        ) u
        ORDER BY u.position
        LIMIT $5
    ) v
) e
WHERE e.before < $6::int8
ORDER BY q.ord, e.position
