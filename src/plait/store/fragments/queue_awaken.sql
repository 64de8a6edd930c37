taken AS (
    DELETE FROM plait.waiting w USING picked p WHERE w.ctid = p.row_id
    RETURNING w.run_id, w.position, w.task, w.attempt, w.retry, w.lost, w.priority, w.action_id, w.schedule_us
), released AS (
    DELETE FROM plait.awaited_event a
    USING taken t CROSS JOIN LATERAL (
        SELECT ctid AS row_id FROM plait.awaited_event WHERE run_id = t.run_id AND task = t.task
        ORDER BY condition LIMIT 2147483647
    ) f
    WHERE a.ctid = f.row_id
    RETURNING a.run_id, a.task
), looked AS (
    -- Whatever came up to there would have woken it, so its judge need not read that.
    UPDATE plait.wait w SET position = looked_to
    FROM (SELECT DISTINCT run_id, task FROM released) r
    CROSS JOIN LATERAL (
        SELECT ctid AS row_id FROM plait.wait WHERE run_id = r.run_id AND task = r.task AND position < looked_to LIMIT 1
    ) f
    WHERE w.ctid = f.row_id
), queued AS (
    INSERT INTO plait.ready (run_id, position, queued_at, expires_at, era, action_id, task, attempt, retry, lost, priority)
    SELECT run_id, position, plait.now(), plait.end_of_schedule(plait.now(), schedule_us),
           (SELECT last_value FROM plait.era_now), action_id, task, attempt, retry, lost, priority
    FROM taken
    RETURNING action_id
)
