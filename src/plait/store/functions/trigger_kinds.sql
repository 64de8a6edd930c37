-- The codes of plait.run.trigger_kind by name, as plait.triggers.TriggerKind has them: what started a run that no program
-- started directly. The planner puts the numbers in their place.
CREATE OR REPLACE FUNCTION plait.by_parent() RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 1::int2';
CREATE OR REPLACE FUNCTION plait.by_event() RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 2::int2';
CREATE OR REPLACE FUNCTION plait.by_cron() RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 3::int2';
CREATE OR REPLACE FUNCTION plait.by_schedule() RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 4::int2';
CREATE OR REPLACE FUNCTION plait.by_replay() RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 5::int2';

-- The word for a kind.
CREATE OR REPLACE FUNCTION plait.name_trigger(kind smallint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT (ARRAY['PARENT', 'EVENT', 'CRON', 'SCHEDULED', 'REPLAY'])[kind] $$;
