       r.version_id, r.metadata::text AS metadata, r.status, r.worst, r.first_attempt, r.cancel_tasks,
       CASE WHEN row_number() OVER (PARTITION BY t.run_id) = 1 THEN r.input END AS input
