-- Delete up to $2 events that were pushed before a moment and before the oldest run that is kept: a run's waits look at
-- events since it was triggered, also when it is replayed. Events that are still to be delivered stay.
-- Locks: the events. Indexes: the keys of event, event_inbox and run.
WITH gone AS (
    DELETE FROM plait.event e
    USING (
        SELECT q.id FROM plait.event q
        WHERE q.id < plait.lowest_id($1) AND q.created_at < $1 AND q.position IS NOT NULL
          AND q.created_at < coalesce((SELECT r.created_at FROM plait.run r ORDER BY r.id LIMIT 1), 'infinity')
          AND NOT EXISTS (SELECT 1 FROM plait.event_inbox i WHERE i.event_id = q.id)
        ORDER BY q.id LIMIT $2
    ) old
    WHERE e.id = old.id
    RETURNING 1
)
SELECT count(*)::int AS deleted FROM gone
