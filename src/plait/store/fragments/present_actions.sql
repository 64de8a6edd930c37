                -- The actions from s.low to s.high of which something is ready, with the highest priority of each: a probe for each,
                -- and one more.
                WITH RECURSIVE present AS (
                    (SELECT action_id, priority FROM plait.ready
                     WHERE era = e.era AND action_id BETWEEN s.low AND s.high
                     ORDER BY action_id, priority DESC LIMIT 1)
                    UNION ALL
                    SELECT n.action_id, n.priority
                    FROM present p
                    CROSS JOIN LATERAL (
                        SELECT r.action_id, r.priority FROM plait.ready r
                        WHERE r.era = e.era AND r.action_id > p.action_id AND r.action_id <= s.high
                        ORDER BY r.action_id, r.priority DESC LIMIT 1
                    ) n
                )
                SELECT action_id, priority FROM present
