    SELECT v.workflow, max(v.id) AS version_id
    FROM plait.worker w
    CROSS JOIN LATERAL unnest(w.versions) AS o(version_id)
    CROSS JOIN LATERAL (SELECT id, workflow FROM plait.workflow_version WHERE id = o.version_id LIMIT 1) v
    WHERE w.ended_at IS NULL
    GROUP BY v.workflow
