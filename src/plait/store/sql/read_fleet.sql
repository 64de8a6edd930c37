-- How many other workers live beside worker $1, how many of these have the same code (peers), and whether none shares an
-- action with it: then it is alone, and may continue every task that it frees itself.
-- Index: worker_live, an entry per live worker. Arrays are only compared where there is no peer, once for all workers with the
-- same ones, and as sets: in time proportional to their length.
WITH other AS MATERIALIZED (
    SELECT o.actions_hash, o.actions, o.actions_hash = (SELECT actions_hash FROM plait.worker WHERE id = $1) AS is_peer
    FROM plait.worker o
    WHERE o.ended_at IS NULL AND o.id <> $1
), tally AS MATERIALIZED (
    SELECT count(*)::int AS others, count(*) FILTER (WHERE is_peer)::int AS peers FROM other
)
SELECT others, peers, peers = 0 AND NOT EXISTS (
    SELECT unnest((SELECT actions FROM plait.worker WHERE id = $1))
    INTERSECT
    SELECT unnest(d.actions)
    FROM (SELECT DISTINCT ON (actions_hash) actions FROM other ORDER BY actions_hash) d
) AS alone
FROM tally
