-- What goes on at this moment. `running`: keys of the tasks that run; `ready`: how many could, for a live worker has their
-- code; `events`: not delivered yet; `open`: which of the runs $1 have not ended.
SELECT ARRAY(SELECT run_id::text || ':' || task FROM plait.running) AS running,
       (SELECT count(*) FROM plait.ready q
        WHERE EXISTS (SELECT FROM plait.worker w WHERE w.ended_at IS NULL AND q.action_id = ANY (w.actions))) AS ready,
       (SELECT count(*) FROM plait.event_inbox) + (SELECT count(*) FROM plait.delivery) AS events,
       ARRAY(SELECT id FROM plait.run WHERE id = ANY ($1::uuid[]) AND status = 0) AS open,
       plait.now() AS now
