-- Who may be concerned by events of the keys $1 and the scopes $2: the workflows that events start at all, with their
-- filters of these scopes; and the tasks, by version, that wait for one of these keys.
-- Index: none (a row per workflow), filter_workflow, awaited_event_key.
SELECT 'workflow' AS kind, w.name AS workflow, w.version_id, w.on_events AS patterns, NULL::int2 AS task,
       (SELECT json_agg(json_build_object('scope', f.scope, 'expression', f.expression, 'payload', f.payload) ORDER BY f.id)
        FROM (SELECT * FROM plait.filter WHERE workflow = w.name AND scope = ANY ($2::text[]) OFFSET 0) f)::text AS filters
FROM plait.workflow w
WHERE cardinality(w.on_events) > 0
UNION ALL
SELECT DISTINCT 'task', NULL, a.version_id, NULL::text[], a.task, NULL
FROM plait.awaited_event a
WHERE a.key = ANY ($1::text[])
