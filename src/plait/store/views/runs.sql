-- Runs in words, for people and programs that ask by SQL. Cheap for a page by id: rows are looked up by run's key, what is
-- asked for of each run by the keys of the other tables, and a column that is not selected costs nothing.
-- `LIMIT 1` and not `EXISTS`: that might be answered by reading a whole table once.
CREATE OR REPLACE VIEW plait.runs AS
SELECT r.id,
       v.workflow,
       coalesce(
           plait.name_outcome(r.status),
           CASE WHEN (SELECT true FROM plait.running t WHERE t.run_id = r.id LIMIT 1) THEN 'RUNNING'
                WHEN (SELECT true FROM plait.attempt a WHERE a.run_id = r.id LIMIT 1) THEN 'RUNNING'
                ELSE 'QUEUED' END
       ) AS status,
       r.priority,
       r.metadata - 'plait.trace' AS metadata,
       plait.name_trigger(r.trigger_kind) AS trigger,
       r.trigger_id,
       r.created_at,
       least(
           (SELECT min(a.started_at) FROM plait.attempt a WHERE a.run_id = r.id),
           (SELECT min(t.started_at) FROM plait.running t WHERE t.run_id = r.id)
       ) AS started_at,
       r.finished_at,
       plait.read_json(r.input) AS input
FROM plait.run r
LEFT JOIN plait.workflow_version v ON v.id = r.version_id;

COMMENT ON VIEW plait.runs IS 'Runs in words. Bound questions by id, newest first, or by plait.lowest_id(a moment).';
COMMENT ON COLUMN plait.runs.status IS 'QUEUED, RUNNING, COMPLETED, CANCELLED or FAILED';
COMMENT ON COLUMN plait.runs.priority IS '1 low, 2 medium, 3 high';
COMMENT ON COLUMN plait.runs.trigger IS 'PARENT, EVENT, CRON, SCHEDULED or REPLAY; NULL: a program started it';
COMMENT ON COLUMN plait.runs.trigger_id IS 'the parent run, event, cron, scheduled run or replayed run';
COMMENT ON COLUMN plait.runs.started_at IS 'when the first of its tasks started';
COMMENT ON COLUMN plait.runs.input IS 'NULL if jsonb cannot hold it';
