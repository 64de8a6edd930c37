-- Announce a worker process; $8 is the worker it replaces, known to be dead by the supervisor that saw it exit.
WITH replaced AS (
    UPDATE plait.worker SET ended_at = plait.now(), heartbeat_at = '-infinity' WHERE id = $8 AND ended_at IS NULL
), vacated AS (
    -- Its maintenance too, or nobody would put its tasks back until that lease has run out.
    DELETE FROM plait.lease WHERE holder = $8
)
INSERT INTO plait.worker (id, name, host, pid, slots, labels, actions, plait, lease_us, versions)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7::int[], $9, $10, $11::int[])
ON CONFLICT (id) DO UPDATE SET heartbeat_at = plait.now()  -- the same announcement, sent again
