-- The codes of plait.run.status and plait.attempt.status by name, as plait.graph.definition.Status has them. The planner puts
-- the numbers in their place. Their order matters: the outcome of a run is the greatest of its tasks'.

-- Of a run: not every task is terminal yet.
CREATE OR REPLACE FUNCTION plait.open() RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 0::int2';

-- Outcomes, of an attempt and its task, and but for skipped of a run.
CREATE OR REPLACE FUNCTION plait.skipped() RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 1::int2';
CREATE OR REPLACE FUNCTION plait.completed() RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 2::int2';
CREATE OR REPLACE FUNCTION plait.cancelled() RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 3::int2';
CREATE OR REPLACE FUNCTION plait.failed() RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 4::int2';

-- Attempts that did not end their task: handed back by their worker, lost with it, failed and tried again.
CREATE OR REPLACE FUNCTION plait.released() RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT -1::int2';
CREATE OR REPLACE FUNCTION plait.lost() RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT -2::int2';
CREATE OR REPLACE FUNCTION plait.retried() RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT -3::int2';

-- Whether an attempt ended its task.
CREATE OR REPLACE FUNCTION plait.is_outcome(status smallint) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS 'SELECT status > 0';

-- What becomes of an outcome whose task is replayed: -11 for 1, to -14 for 4.
CREATE OR REPLACE FUNCTION plait.supersede(status smallint) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS 'SELECT (-10 - status)::int2';
CREATE OR REPLACE FUNCTION plait.is_superseded(status smallint) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS 'SELECT status < -10';

-- The word for an outcome; NULL for every other code.
CREATE OR REPLACE FUNCTION plait.name_outcome(status smallint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT (ARRAY['SKIPPED', 'COMPLETED', 'CANCELLED', 'FAILED'])[status] $$;
