-- Delivered events in their order, at most $5 and about $6 bytes per question, one at least: question n asks for the keys
-- $1[n] (a JSON array of text), pushed behind the position $2[n] and delivered behind $3[n]. $4: whether payloads are wanted.
-- What was pushed behind a position was delivered behind it, too: both are of one sequence.
-- Index: event_key.
SELECT q.ord::int AS question, e.id, e.key, e.scope, e.position, CASE WHEN $4::bool THEN e.payload END AS payload
FROM unnest($1::text[], $2::int8[], $3::int8[]) WITH ORDINALITY AS q(keys, pushed, position, ord)
CROSS JOIN LATERAL (
    SELECT v.id, v.key, v.scope, v.position, v.payload,
           sum(octet_length(v.payload)) OVER (ORDER BY v.position) - octet_length(v.payload) AS before
    FROM (
        SELECT u.*
        FROM jsonb_array_elements_text(q.keys::jsonb) AS k(key)
        CROSS JOIN LATERAL (
            SELECT * FROM plait.event e
            WHERE e.key = k.key AND e.position > greatest(q.pushed, q.position) AND e.pushed > q.pushed
            ORDER BY e.position
            LIMIT $5
        ) u
        ORDER BY u.position
        LIMIT $5
    ) v
) e
WHERE e.before < $6::int8
ORDER BY q.ord, e.position
