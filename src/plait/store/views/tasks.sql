-- Tasks in words: every task of every run, also those that have no row of their own (PENDING, or CANCELLED with their run).
-- Cheap for few runs: rows are looked up by the keys of run, running, waiting and attempt and by ready_order, the rooms only
-- of runs that are open. A task is in one room or has one outcome, so each has one row here.
CREATE OR REPLACE VIEW plait.tasks AS
SELECT r.id AS run_id,
       n.workflow,
       n.task,
       coalesce(p.status, CASE WHEN r.status = plait.open() THEN 'PENDING' ELSE 'CANCELLED' END) AS status,
       p.attempt,
       p.worker_id,
       (SELECT w.name FROM plait.worker w WHERE w.id = p.worker_id) AS worker,
       p.queued_at,
       p.started_at,
       p.finished_at,
       p.due_at,
       plait.read_json(p.output) AS output,
       CASE WHEN p.attempt IS NOT NULL THEN (
           SELECT plait.read_json(a.error) FROM plait.attempt a
           WHERE a.run_id = r.id AND a.task = (t.place - 1)::int2 ORDER BY a.attempt DESC LIMIT 1
       ) END AS error,
       CASE WHEN p.status IS NOT NULL THEN p.reason
            WHEN r.status <> plait.open() THEN 'its run was cancelled' END AS reason
FROM plait.run r
JOIN plait.workflow_version v ON v.id = r.version_id
CROSS JOIN LATERAL unnest(v.actions) WITH ORDINALITY AS t(action_id, place)
JOIN plait.action n ON n.id = t.action_id
LEFT JOIN LATERAL (
    SELECT plait.name_outcome(a.status) AS status, a.attempt, a.worker_id, a.queued_at, a.started_at, a.finished_at,
           NULL::timestamptz AS due_at, a.output, a.reason
    FROM plait.attempt a
    WHERE a.run_id = r.id AND a.task = (t.place - 1)::int2 AND plait.is_outcome(a.status)
    UNION ALL
    SELECT 'RUNNING', h.attempt, h.worker_id, h.queued_at, h.started_at, NULL, NULL, NULL, NULL
    FROM plait.running h
    WHERE r.status = plait.open() AND h.run_id = r.id AND h.task = (t.place - 1)::int2
    UNION ALL
    SELECT 'QUEUED', q.attempt, NULL, q.queued_at, NULL, NULL, NULL, NULL, NULL
    FROM plait.ready q
    WHERE r.status = plait.open() AND q.era = ANY (ARRAY(SELECT era FROM plait.era))
      AND q.action_id = t.action_id AND q.priority = r.priority
      AND q.position = r.position AND q.task = (t.place - 1)::int2
    UNION ALL
    SELECT 'PENDING', w.attempt, NULL, NULL, NULL, NULL, nullif(w.due_at, 'infinity'), NULL, NULL
    FROM plait.waiting w
    WHERE r.status = plait.open() AND w.run_id = r.id AND w.task = (t.place - 1)::int2
) p ON true;

COMMENT ON VIEW plait.tasks IS
    'Tasks in words, one row for each task of each run. Bound questions by run_id, newest first, or by '
    'plait.lowest_id(a moment).';
COMMENT ON COLUMN plait.tasks.status IS 'PENDING, QUEUED, RUNNING, COMPLETED, CANCELLED, FAILED or SKIPPED';
COMMENT ON COLUMN plait.tasks.attempt IS 'the number of its last attempt; NULL: it was never free to start';
COMMENT ON COLUMN plait.tasks.worker IS 'the name of the worker that has it or had it; NULL once that is forgotten';
COMMENT ON COLUMN plait.tasks.due_at IS 'of one that waits for a time: its next retry, or the end of a sleep';
COMMENT ON COLUMN plait.tasks.output IS 'NULL without one, or if jsonb cannot hold it';
COMMENT ON COLUMN plait.tasks.error IS 'type, message and trace of the last attempt that failed; NULL without one';
COMMENT ON COLUMN plait.tasks.reason IS 'why it was skipped or cancelled';
