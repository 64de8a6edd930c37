    SELECT v.workflow, max(v.id) AS version_id
    FROM plait.worker w
    CROSS JOIN LATERAL unnest(w.versions) AS o(version_id)
    JOIN plait.workflow_version v ON v.id = o.version_id
    WHERE w.ended_at IS NULL
    GROUP BY v.workflow
