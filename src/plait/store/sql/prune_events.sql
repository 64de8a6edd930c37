-- Delete up to $2 events that were pushed before a moment and before the oldest run that is kept: a run's waits look at
-- events since it was triggered, also when it is replayed. Ids are made by clients, whose clocks differ and who may store
-- what they made later: hence an hour less than the oldest run, by its id and by its time. Events that are still to be
-- delivered stay. Reads only events that are older than that, whatever there are of newer ones.
-- Locks: the events, skipping locked ones. Indexes: the keys of event, event_inbox and run.
WITH oldest AS MATERIALIZED (
    SELECT r.created_at - interval '1 hour' AS stored,
           to_timestamp(greatest(('x' || left(replace(r.id::text, '-', ''), 12))::bit(48)::bigint / 1000.0 - 3600, 0)) AS made
    FROM plait.run r ORDER BY r.id LIMIT 1
), gone AS (
    DELETE FROM plait.event e
    USING (
        SELECT q.id FROM plait.event q
        WHERE q.id < plait.lowest_id(least($1, (SELECT made FROM oldest)))
          AND q.created_at < least($1, (SELECT stored FROM oldest)) AND q.position IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM plait.event_inbox i WHERE i.event_id = q.id)
        ORDER BY q.id LIMIT $2 FOR UPDATE SKIP LOCKED
    ) old
    WHERE e.id = old.id
    RETURNING 1
)
SELECT count(*)::int AS deleted FROM gone
