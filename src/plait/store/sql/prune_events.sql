-- Delete up to $2 delivered events that are older than $1 and that nobody can look at any more. The waits of a run look at
-- what was pushed behind its position, also when it is replayed; and one that an event in the inbox will start looks at what
-- was pushed behind that. Reads only events that are older than the oldest of these runs, whatever there are of newer ones.
-- Locks: the events, skipping locked ones. Indexes: event_age, run_events, event_inbox's key.
WITH oldest AS MATERIALIZED (
    SELECT events_from, created_at FROM plait.run WHERE events_from IS NOT NULL ORDER BY events_from LIMIT 1
), gone AS (
    DELETE FROM plait.event e
    USING (
        SELECT q.ctid AS row_id FROM plait.event q
        WHERE q.created_at < least($1::timestamptz, (SELECT created_at FROM oldest))
          AND q.position IS NOT NULL
          AND q.pushed <= coalesce(
              least((SELECT events_from FROM oldest), (SELECT pushed FROM plait.event_inbox ORDER BY pushed LIMIT 1)), q.pushed
          )
        ORDER BY q.created_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ) old
    WHERE e.ctid = old.row_id
    RETURNING 1
)
SELECT count(*)::int AS deleted FROM gone
