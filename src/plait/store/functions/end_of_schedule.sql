-- When a task that becomes ready at a moment is too late, by its schedule timeout in microseconds; NULL without one (-1).
-- The planner puts the expression in its place.
CREATE OR REPLACE FUNCTION plait.end_of_schedule(ready_at timestamptz, schedule_us bigint) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN schedule_us >= 0 THEN ready_at + schedule_us * interval '1 microsecond' END $$;
