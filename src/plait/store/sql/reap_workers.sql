-- Declare workers dead that were silent for longer than their lease, and put back what dead workers still hold:
-- running -> ready, the attempt recorded as lost. Costs no retry of the user.
-- Silence is time during which a leader watched (plait.watch); the server's clock may be set. $2: the microseconds for which
-- this one went on watching since it left $3 there; if another has counted since, they are in what that one counted. A step
-- has $4 microseconds at most, and a heartbeat may be younger by one than it looks.
-- Whether the task may be what ended its worker: not if that stopped in good order or only could not reach the database,
-- nor if the task was a suspect already, and its worker had not begun its code. For those that were none nobody notes that.
-- Locks: the row of watch, which reapers only lock; worker rows in id order, then running rows in (run, task) order, skipping
-- those that a heartbeat or a finisher has just now.
WITH watch AS MATERIALIZED (
    INSERT INTO plait.watch AS w (watched_us) VALUES (0)
    ON CONFLICT (one) DO UPDATE SET watched_us = w.watched_us + CASE WHEN w.watched_us = $3::int8 THEN $2::int8 ELSE 0 END
    RETURNING watched_us
), late AS MATERIALIZED (
    SELECT id FROM plait.worker
    WHERE ended_at IS NULL AND watched_us < (SELECT watched_us FROM watch) - lease_us - $4::int8
    ORDER BY id FOR UPDATE SKIP LOCKED
), dead AS (
    UPDATE plait.worker w SET ended_at = plait.now(), ending = 'silent' FROM late WHERE w.id = late.id RETURNING w.id
), orphan AS MATERIALIZED (
    SELECT r.ctid AS row_id
    FROM plait.running r
    WHERE EXISTS (SELECT 1 FROM dead d WHERE d.id = r.worker_id)
       OR NOT EXISTS (SELECT 1 FROM plait.worker w WHERE w.id = r.worker_id AND w.ended_at IS NULL)
    ORDER BY r.run_id, r.task LIMIT $1
    FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM plait.running r USING orphan o WHERE r.ctid = o.row_id
    RETURNING r.run_id, r.task, r.attempt, r.retry, r.lost, r.priority, r.action_id, r.worker_id, r.queued_at, r.started_at
), judged AS MATERIALIZED (
    SELECT t.*, e.ending,
           t.lost = 0 OR concat_ws(' ', t.run_id, t.task, t.attempt) = ANY (e.begun) AS begun
    FROM taken t
    LEFT JOIN LATERAL (
        SELECT coalesce(w.ending, 'silent') AS ending, coalesce(w.begun, '{}') AS begun
        FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT ending, begun FROM plait.worker WHERE id = t.worker_id LIMIT 1) w ON true
    ) e ON true
), history AS (
    INSERT INTO plait.attempt
        (run_id, task, attempt, retry, status, worker_id, queued_at, started_at, finished_at, reason)
    SELECT run_id, task, attempt, retry, CASE WHEN begun THEN plait.lost() ELSE plait.released() END, worker_id, queued_at,
           started_at, plait.now(),
           CASE WHEN NOT begun THEN 'worker lost before it ran'
                WHEN ending = 'died' THEN 'worker lost: its process ended'
                WHEN ending = 'stalled' THEN 'worker lost: it stood still'
                WHEN ending = 'unreachable' THEN 'worker lost: the database did not answer it'
                WHEN ending = 'stopped' THEN 'worker lost: it stopped'
                ELSE 'worker lost: nothing was heard from it' END
    FROM judged
), queued AS (
    INSERT INTO plait.ready (run_id, position, queued_at, expires_at, era, action_id, task, attempt, retry, lost, priority)
    SELECT t.run_id, r.position, plait.now(), plait.end_of_schedule(plait.now(), v.schedules_us[t.task + 1]),
           (SELECT last_value FROM plait.era_now), t.action_id,
           t.task, t.attempt + 1, t.retry, t.lost + (t.begun AND plait.is_suspicious(t.ending))::int, t.priority
    FROM judged t
    CROSS JOIN LATERAL (SELECT position, version_id FROM plait.run WHERE id = t.run_id LIMIT 1) r
    CROSS JOIN LATERAL (SELECT schedules_us FROM plait.workflow_version WHERE id = r.version_id LIMIT 1) v
)
SELECT (SELECT watched_us FROM watch) AS watched_us,
       (SELECT count(*)::int FROM dead) AS dead,
       (SELECT count(*)::int FROM taken) AS moved,
       (SELECT array_agg(DISTINCT action_id) FROM taken) AS actions
