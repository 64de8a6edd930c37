-- Seconds until the next timer: a waiting task that falls due, or a ready one whose schedule timeout ends. NULL: none.
-- Index: waiting_due, ready_expiry; one entry each.
SELECT extract(epoch FROM least(
    (SELECT min(due_at) FROM plait.waiting WHERE due_at < 'infinity'),
    (SELECT min(expires_at) FROM plait.ready WHERE expires_at IS NOT NULL)
) - plait.now())::float8 AS seconds
