-- Seconds until the next timer: a waiting task that falls due, or a ready one whose schedule timeout ends. NULL: none.
-- (Crons and scheduled runs have a statement of their own: read_next_schedule.sql.)
-- Index: waiting_due, ready_expiry; one entry each. Infinite times, due never or at once, cannot be subtracted.
SELECT extract(epoch FROM least(
    (SELECT min(due_at) FROM plait.waiting WHERE due_at < 'infinity'),
    (SELECT min(greatest(f.expires_at, plait.now() - interval '1 day'))
     FROM plait.era e
     CROSS JOIN LATERAL (SELECT expires_at FROM plait.ready
                         WHERE era = e.era AND expires_at IS NOT NULL ORDER BY expires_at LIMIT 1) f)
) - plait.now())::float8 AS seconds
