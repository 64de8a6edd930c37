       r.version_id, r.metadata::text AS metadata, r.worst, r.first_attempt, r.cancel_tasks,
       -- One that is to be cancelled with a run above it has ended, as far as the judge is concerned.
       CASE WHEN r.trigger_kind = plait.by_parent() AND EXISTS (SELECT FROM plait.cancellation)
                 AND plait.is_being_cancelled(r.id)
            THEN plait.cancelled() ELSE r.status END AS status
