-- Store a workflow version once and give its id and its tasks' action ids. Repeatable by any number of processes.
-- Locks: the new rows, actions in name order. $3 definition, $4 task names, $5 roots, $6 schedule timeouts of
-- all tasks in microseconds (-1: none), $7 counters, $8 format of the definition, $9 whether a task waits for
-- events.
WITH wanted AS (
    SELECT name, ord FROM unnest($4::text[]) WITH ORDINALITY AS t(name, ord)
), added AS (
    INSERT INTO plait.action (workflow, task, format)
    SELECT $1, name, $8 FROM wanted
    WHERE NOT EXISTS (SELECT 1 FROM plait.action a WHERE a.workflow = $1 AND a.task = wanted.name AND a.format = $8)
    ORDER BY name
    ON CONFLICT (workflow, task, format) DO UPDATE SET task = excluded.task
    RETURNING id, task
), action AS (
    SELECT id, task FROM added
    UNION ALL
    SELECT id, task FROM plait.action WHERE workflow = $1 AND task = ANY ($4::text[]) AND format = $8
), actions AS (
    SELECT array_agg(a.id ORDER BY w.ord) AS ids FROM wanted w JOIN action a ON a.task = w.name
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
