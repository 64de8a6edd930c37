-- Begin another era of the queue when $2 tasks have left it since $1 had (NULL: since now) and as many are still in the way of
-- whoever looks for the first, because somebody holds an old snapshot; at most $3 eras at once. Drop those that are empty.
-- Returns how many tasks have left so far, as far as PostgreSQL has counted, whether another era begins, and how many steps
-- were taken; where there are some, the next call may take more.
-- Nothing may come into an era after it was found empty: nobody would look for it there. So each step is taken by a call of
-- its own, on what earlier calls have committed:
--   a row for the next era (claims look there from now on); era_now moves on to it, which everybody sees at once, whatever
--   their snapshot; 0 -> 1 once that was seen; 1 -> 2 with the transactions that write to ready by now: whoever read the
--   number before has locked ready before; 2 -> 3 when all of these have ended, so that a snapshot taken from then on sees
--   what they brought; and one that is empty then is gone.
-- Locks: an advisory one, beside that of deliveries; whoever finds it taken does nothing. Of two leaders at once one would
-- wait for the other's rows while that waits for its own, or set back the number.
-- Index: ready_order, what one era has at its head.
WITH gate AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(plait.delivery_lock() + 1) AS is_open
), era AS MATERIALIZED (
    SELECT era, state, writers FROM plait.era WHERE (SELECT is_open FROM gate)
), counted AS MATERIALIZED (
    SELECT pg_stat_get_tuples_deleted('plait.ready'::regclass) AS deleted,
           pg_stat_get_dead_tuples('plait.ready'::regclass) AS dead
), facts AS MATERIALIZED (
    SELECT max(era) AS last, count(*) AS eras, (SELECT last_value FROM plait.era_now) AS current
    FROM era
    HAVING (SELECT is_open FROM gate)
), writing AS MATERIALIZED (
    SELECT coalesce(array_agg(DISTINCT virtualtransaction), '{}') AS transactions
    FROM pg_locks
    WHERE locktype = 'relation' AND relation = 'plait.ready'::regclass AND mode = 'RowExclusiveLock'
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
), begun AS (
    INSERT INTO plait.era (era)
    -- In a dump that was restored the number may be later than the tables.
    SELECT current FROM facts WHERE current NOT IN (SELECT era FROM era)
    UNION ALL
    SELECT last + 1 FROM facts, counted
    WHERE last = current AND eras < $3::int AND dead >= $2::int8 AND deleted - $1::int8 >= $2
    ON CONFLICT (era) DO NOTHING
    RETURNING era
), moved AS MATERIALIZED (
    -- Read once more, now that nobody else can set it. Not nextval, after which a crash or a standby that takes over goes on
    -- 32 numbers later, where nobody looks yet.
    SELECT setval('plait.era_now', last) AS current FROM facts WHERE last > (SELECT last_value FROM plait.era_now)
), stepped AS (
    UPDATE plait.era e
    SET state = e.state + 1, writers = CASE e.state WHEN 1 THEN (SELECT transactions FROM writing) END
    FROM era b
    WHERE e.era = b.era AND e.state = b.state AND b.era < (SELECT current FROM facts)
      AND (b.state IN (0, 1) OR b.state = 2 AND NOT b.writers && (SELECT transactions FROM writing))
    RETURNING e.era
), dropped AS (
    DELETE FROM plait.era e
    USING era b
    WHERE e.era = b.era AND b.state = 3 AND NOT EXISTS (SELECT FROM plait.ready r WHERE r.era = b.era)
    RETURNING e.era
)
SELECT deleted, EXISTS (SELECT FROM begun) AS begun,
       ((SELECT count(*) FROM begun) + (SELECT count(*) FROM moved) + (SELECT count(*) FROM stepped)
        + (SELECT count(*) FROM dropped))::int AS steps
FROM counted
