taken AS (
    DELETE FROM plait.ready r USING picked p WHERE r.ctid = p.row_id
    RETURNING r.run_id, r.task, r.attempt, r.retry, r.lost, r.priority, r.action_id, r.queued_at,
              greatest(r.queued_at, plait.now()) AS started_at
), held AS (
    INSERT INTO plait.running
        (run_id, task, attempt, retry, lost, priority, action_id, worker_id, queued_at, started_at)
    SELECT run_id, task, attempt, retry, lost, priority, action_id, $1, queued_at, started_at FROM taken
)
