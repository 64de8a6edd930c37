-- The highest priority ready among the actions in the ranges from $1 to $2; NULL when none is.
-- Index: ready_order, an entry for each action of which something is ready, and one for each range.
SELECT max(a.priority) AS priority
FROM plait.era e
CROSS JOIN unnest($1::int[], $2::int[]) AS s(low, high)
CROSS JOIN LATERAL (
-- Include fragments/present_actions.sql.
) a
