-- Store a workflow version once and give its id and its tasks' action ids. Repeatable by any number of processes.
-- Locks: the new rows, actions in name order. $3 definition, $4 task names, $5 roots, $6 schedule timeouts of
-- all tasks in microseconds (-1: none), $7 counters, $8 format of the definition, $9 whether a task waits for
-- events.
-- A probe for each task and no join: which way of joining ten thousand names a planner chooses depends on what it believes.
WITH wanted AS MATERIALIZED (
    SELECT t.name, t.ord, (
        SELECT id FROM plait.action a WHERE a.workflow = $1 AND a.task = t.name AND a.format = $8 LIMIT 1
    ) AS id
    FROM unnest($4::text[]) WITH ORDINALITY AS t(name, ord)
), added AS (
    INSERT INTO plait.action (workflow, task, format)
    SELECT $1, name, $8 FROM wanted WHERE id IS NULL
    ORDER BY name
    ON CONFLICT (workflow, task, format) DO UPDATE SET task = excluded.task
    RETURNING id, task
), action AS (
    SELECT max(id) AS id, max(ord) AS ord
    FROM (SELECT name, ord, id FROM wanted UNION ALL SELECT task, NULL, id FROM added) u
    GROUP BY name
), actions AS (
    SELECT array_agg(id ORDER BY ord) AS ids FROM action
), inserted AS (
    INSERT INTO plait.workflow_version
        (workflow, digest, definition, actions, roots, schedules_us, pending, awaits_events)
    SELECT $1, $2, $3, ids, $5::int2[], $6::int8[], $7::int4[], $9::bool FROM actions
    WHERE NOT EXISTS (SELECT 1 FROM plait.workflow_version WHERE workflow = $1 AND digest = $2)
    ON CONFLICT (workflow, digest) DO UPDATE SET digest = excluded.digest
    RETURNING id, actions
)
SELECT id, actions FROM inserted
UNION ALL
SELECT id, actions FROM plait.workflow_version WHERE workflow = $1 AND digest = $2
LIMIT 1
