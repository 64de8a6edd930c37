-- Runs $1 that have ended, one row each, with the attempts since their trigger or last replay as arrays in order of task and
-- attempt: times, outcomes, of an error its type and the beginning of its message. No payloads.
-- Index: the keys of run and attempt; as many attempts as these runs have.
SELECT r.id, r.version_id, r.status, r.created_at, r.finished_at, r.metadata::text AS metadata,
       coalesce(r.first_attempt, 1::int2) AS first_attempt, h.*
FROM plait.run r
CROSS JOIN LATERAL (
    SELECT array_agg(a.task ORDER BY a.task, a.attempt) AS tasks,
           array_agg(a.attempt ORDER BY a.task, a.attempt) AS attempts,
           array_agg(a.status ORDER BY a.task, a.attempt) AS statuses,
           array_agg(a.worker_id ORDER BY a.task, a.attempt) AS workers,
           array_agg(coalesce(a.queued_at, a.started_at, a.finished_at) ORDER BY a.task, a.attempt) AS queued,
           array_agg(a.started_at ORDER BY a.task, a.attempt) AS started,
           array_agg(a.finished_at ORDER BY a.task, a.attempt) AS finished,
           array_agg(a.reason ORDER BY a.task, a.attempt) AS reasons,
           array_agg(CASE WHEN a.error IS NOT NULL THEN json_build_object(
               'type', convert_from(a.error, 'UTF8')::json ->> 'type',
               'message', left(convert_from(a.error, 'UTF8')::json ->> 'message', 300))::text END
               ORDER BY a.task, a.attempt) AS errors
    FROM plait.attempt a
    WHERE a.run_id = r.id AND a.attempt >= coalesce(r.first_attempt, 1::int2) AND NOT plait.is_superseded(a.status)
) h
WHERE r.id = ANY ($1::uuid[]) AND r.status <> plait.open()
