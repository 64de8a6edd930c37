       r.version_id, r.metadata::text AS metadata, r.status, r.worst, r.first_attempt, r.cancel_tasks
