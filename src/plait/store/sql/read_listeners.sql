-- Who may be concerned by events of the keys $1 with the scopes $2 (empty: none): the workflows that events start at all,
-- with their filters of these scopes; and the tasks, by version, that wait for such a key, in such a scope or (empty) in any.
-- Index: none (a row per workflow), filter_workflow, awaited_event_key.
WITH RECURSIVE asked AS MATERIALIZED (
    SELECT DISTINCT e.key, s.scope, 0 AS first
    FROM unnest($1::text[], $2::text[]) AS e(key, scope)
    CROSS JOIN LATERAL unnest(ARRAY['', e.scope]) AS s(scope)
),
-- Include fragments/listening.sql.
SELECT 'workflow' AS kind, w.name AS workflow, w.version_id, w.on_events AS patterns,
       (SELECT json_agg(json_build_object('scope', f.scope, 'expression', f.expression, 'payload', f.payload) ORDER BY f.id)
        FROM (SELECT * FROM plait.filter WHERE workflow = w.name AND scope = ANY ($2::text[]) OFFSET 0) f)::text AS filters,
       NULL::int2 AS task, NULL AS key, NULL AS scope
FROM plait.workflow w
WHERE cardinality(w.on_events) > 0
UNION ALL
SELECT 'task', NULL, l.version_id, NULL::text[], NULL, l.task, l.key, l.scope FROM listening l
