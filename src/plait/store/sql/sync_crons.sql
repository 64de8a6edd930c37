-- Make the declared crons of workflow $1 those given: $2 ids for new ones, $3 names, $4 expressions, $5 time zones,
-- $6 catch-up policies, $7 bounds in microseconds, $8 inputs, $9 metadata, $10 priorities, $11 next fire times. $12: the
-- version that declares them; if another one is served by now, nothing is done.
-- A paused one stays paused; one whose timetable is unchanged keeps its next time; one created at run time is taken over.
-- Locks: the workflow's row, then the crons in name order. Index: (workflow, name).
WITH served AS MATERIALIZED (
    UPDATE plait.workflow SET crons_of = version_id WHERE name = $1 AND version_id = $12 RETURNING name
), gone AS (
    DELETE FROM plait.cron c USING served s
    WHERE c.workflow = s.name AND c.declared AND c.name <> ALL ($3::text[])
)
INSERT INTO plait.cron AS c
    (id, workflow, name, expression, timezone, catch_up, bound_us, input, metadata, priority, next_at, declared)
SELECT w.id, $1, w.name, w.expression, w.timezone, w.catch_up, w.bound_us, w.input, w.metadata::jsonb, w.priority, w.next_at,
       true
FROM served s CROSS JOIN unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int8[], $8::bytea[], $9::text[], $10::int2[],
            $11::timestamptz[])
     AS w(id, name, expression, timezone, catch_up, bound_us, input, metadata, priority, next_at)
ORDER BY w.name
ON CONFLICT (workflow, name) DO UPDATE SET
    expression = excluded.expression, timezone = excluded.timezone, catch_up = excluded.catch_up,
    bound_us = excluded.bound_us, input = excluded.input, metadata = excluded.metadata, priority = excluded.priority,
    declared = true,
    next_at = CASE
        WHEN c.paused THEN NULL
        WHEN (c.expression, c.timezone) = (excluded.expression, excluded.timezone) THEN c.next_at
        WHEN excluded.next_at <= c.last_at THEN c.next_at  -- it has fired since the time was looked up
        ELSE excluded.next_at
    END
