-- Everything recorded of the tasks of run $1, whose actions are $2: attempts, then the room each open task is in.
-- Index: the keys of attempt, running, waiting, wait and awaited_event, ready_order.
SELECT 'attempt' AS room, task, attempt, status, retry, worker_id, queued_at, started_at, finished_at, output, error,
       reason, NULL::timestamptz AS due_at, NULL::text AS met, NULL::text AS awaited
FROM plait.attempt WHERE run_id = $1
UNION ALL
SELECT 'running', task, attempt, NULL, retry, worker_id, queued_at, started_at, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM plait.running WHERE run_id = $1
UNION ALL
SELECT 'ready', task, attempt, NULL, retry, NULL, queued_at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM plait.ready WHERE action_id = ANY ($2::int[]) AND priority IN (1, 2, 3) AND run_id = $1
UNION ALL
SELECT 'waiting', task, attempt, NULL, retry, NULL, NULL, NULL, NULL, NULL, NULL, NULL, nullif(due_at, 'infinity'),
       (SELECT met FROM plait.wait v WHERE v.run_id = w.run_id AND v.task = w.task),
       (SELECT json_object_agg(a.condition, a.key)::text FROM plait.awaited_event a
        WHERE a.run_id = w.run_id AND a.task = w.task)
FROM plait.waiting w WHERE run_id = $1
ORDER BY task, attempt
