-- Everything recorded of the tasks of run $1, whose actions are $2. Attempts, then the room each open task is in.
-- Of outputs the first $3 bytes (NULL: all), and the whole size; of errors the type and the beginning of the message where
-- $3 is 0, else all. $4: payloads only of this task (NULL: of each).
-- Index: the keys of run, attempt, running, waiting, wait, awaited_event and child, ready_order.
SELECT 'attempt' AS room, a.task, a.attempt, a.status, a.retry, a.worker_id, a.queued_at, a.started_at, a.finished_at,
       CASE WHEN s.shown THEN substring(a.output FROM 1 FOR coalesce($3::int4, 1 << 30)) END AS output,
       octet_length(a.output) AS output_size,
       CASE WHEN s.whole THEN a.error END AS error,
       e.body ->> 'type' AS error_type, left(e.body ->> 'message', 300) AS error_message,
       a.reason, NULL::timestamptz AS due_at, NULL::text AS met, NULL::text AS awaited, 0::int2 AS lost
FROM plait.attempt a
CROSS JOIN LATERAL (
    SELECT $4::int2 IS NULL OR a.task = $4 AS shown,
           ($4::int2 IS NULL OR a.task = $4) AND $3::int4 IS DISTINCT FROM 0 AS whole
) s
LEFT JOIN LATERAL (SELECT convert_from(a.error, 'UTF8')::json AS body WHERE a.error IS NOT NULL AND NOT s.whole) e ON true
WHERE a.run_id = $1
UNION ALL
SELECT 'running', task, attempt, NULL, retry, worker_id, queued_at, started_at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, lost
FROM plait.running WHERE run_id = $1
UNION ALL
SELECT 'ready', task, attempt, NULL, retry, NULL, queued_at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       lost
FROM plait.ready
WHERE era = ANY (ARRAY(SELECT era FROM plait.era)) AND action_id = ANY ($2::int[]) AND priority IN (1, 2, 3)
  AND position = (SELECT position FROM plait.run WHERE id = $1)
UNION ALL
SELECT 'waiting', task, attempt, NULL, retry, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       nullif(due_at, 'infinity'),
       (SELECT met FROM plait.wait v WHERE v.run_id = w.run_id AND v.task = w.task),
       (SELECT json_object_agg(a.condition, a.key)::text FROM plait.awaited_event a
        WHERE a.run_id = w.run_id AND a.task = w.task), lost
FROM plait.waiting w WHERE run_id = $1
UNION ALL
SELECT 'children', c.parent_task, count(*)::int2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, 0
FROM (SELECT parent_task FROM plait.child WHERE parent_run_id = $1 LIMIT 30000) c GROUP BY c.parent_task
ORDER BY task, attempt
