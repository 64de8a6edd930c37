-- At most $6 lines of the tasks $2 of run $1, oldest first, behind line $3 of task $4; $5: only those that hold this text, in
-- capitals or not; $7: only of this attempt. Index: log's key, for each of the tasks.
SELECT l.seq, l.task, l.attempt, l.level, l.line
FROM unnest($2::int2[]) AS t(task)
CROSS JOIN LATERAL (
    SELECT g.seq, g.task, g.attempt, g.level, g.line
    FROM plait.log g
    WHERE g.run_id = $1 AND g.task = t.task AND g.seq >= $3::int8 AND (g.seq > $3 OR g.task > $4::int2)
      AND ($7::int2 IS NULL OR g.attempt = $7)
      AND ($5::text IS NULL OR strpos(lower(g.line), lower($5)) > 0)
    ORDER BY g.seq, g.attempt
    LIMIT $6
) l
ORDER BY l.seq, l.task, l.attempt
LIMIT $6
