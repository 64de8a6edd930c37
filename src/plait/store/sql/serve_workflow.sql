-- Make version $2 the one that events, crons and schedules of workflow $1 start, if it is (still) the newest that a live
-- worker has. $3: the patterns of events that start it; $4 to $6: its declared filters (scope, expression, payload), which
-- replace the former. Locks: the workflow's row first, so that two who do this at a time do it one after the other.
WITH served AS (
    INSERT INTO plait.workflow (name, version_id, on_events)
    SELECT $1, $2, $3::text[]
    WHERE $2 = coalesce((SELECT l.version_id FROM (
-- Include fragments/live_versions.sql.
    ) l WHERE l.workflow = $1), $2)
    ON CONFLICT (name) DO UPDATE SET version_id = excluded.version_id, on_events = excluded.on_events, served_at = plait.now()
    RETURNING name
), dropped AS (
    DELETE FROM plait.filter f USING served s WHERE f.workflow = s.name AND f.declared
)
INSERT INTO plait.filter (id, workflow, scope, expression, payload, declared)
SELECT gen_random_uuid(), s.name, f.scope, f.expression, f.payload, true
FROM served s CROSS JOIN unnest($4::text[], $5::text[], $6::text[]) AS f(scope, expression, payload)
