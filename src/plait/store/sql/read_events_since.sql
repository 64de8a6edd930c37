-- Delivered events, at most $5 per question, in their order: question n asks for the keys $1[n] (a JSON array of
-- text) since the time $2[n] behind the position $3[n]. $4: whether payloads are wanted. Index: event_key.
SELECT q.ord::int AS question, e.id, e.key, e.scope, e.position, CASE WHEN $4::bool THEN e.payload END AS payload
FROM unnest($1::text[], $2::timestamptz[], $3::int8[]) WITH ORDINALITY AS q(keys, since, position, ord)
CROSS JOIN LATERAL (
    SELECT v.id, v.key, v.scope, v.position, v.payload
    FROM jsonb_array_elements_text(q.keys::jsonb) AS k(key)
    CROSS JOIN LATERAL (
        SELECT * FROM plait.event e WHERE e.key = k.key AND e.created_at >= q.since AND e.position > q.position
    ) v
    ORDER BY v.position
    LIMIT $5
) e
ORDER BY q.ord, e.position
