-- Announce a worker process; $8 is the worker it replaces and $11 how that ended: the supervisor saw its process die, or
-- the same process lost that lease. Who knows better than the reaper that only saw it fall silent corrects that.
-- $12: the versions of its workflows that it declares.
WITH replaced AS (
    UPDATE plait.worker
    SET ended_at = coalesce(ended_at, plait.now()), ending = $11,
        heartbeat_at = CASE WHEN ended_at IS NULL THEN '-infinity' ELSE heartbeat_at END
    WHERE id = $8 AND (ended_at IS NULL OR ending = 'silent')
), vacated AS (
    -- Its maintenance too, or nobody would put its tasks back until that lease has run out.
    DELETE FROM plait.lease WHERE holder = $8
)
INSERT INTO plait.worker (id, name, host, pid, slots, labels, actions, actions_hash, plait, lease_us, versions, watched_us)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7::int[], hash_array_extended($7::int[], 0), $9, $10, $12::int[],
        coalesce((SELECT watched_us FROM plait.watch), 0))
-- The same announcement, sent again.
ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at, watched_us = excluded.watched_us
