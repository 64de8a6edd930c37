-- What lies beside it: $n rows in every table that grows, $few in those of names; $id(i) is an id older than all of the
-- subject's.
INSERT INTO plait.action (workflow, task) SELECT 'other' || i % 100, i::text FROM generate_series(1, $few) i;
INSERT INTO plait.workflow_version (workflow, digest, definition, actions, roots, schedules_us, pending)
SELECT 'other' || i % 100, i::text, '{}', '{1,1}', '{0}', '{-1,-1}', '{1}' FROM generate_series(1, $few) i;
INSERT INTO plait.workflow (name, version_id, on_events) SELECT 'other' || i, 1, '{}' FROM generate_series(0, $few / 100) i;
INSERT INTO plait.run (id, created_at, finished_at, version_id, priority, status, pending, input, metadata, trigger_kind,
                       trigger_id, trigger_task, events_from)
SELECT $id(i), now() - interval '10 days' + i * interval '1 ms', CASE WHEN i % 4 = 0 THEN now() - interval '9 days' END,
       $other, 1, CASE WHEN i % 4 = 0 THEN 2 ELSE 0 END, '{0}', '{}', jsonb_build_object('user', i % 1000),
       CASE i % 4 WHEN 1 THEN 2 WHEN 2 THEN 1 END, CASE WHEN i % 4 IN (1, 2) THEN $id(i) END,
       CASE WHEN i % 4 = 2 THEN 0 END, CASE WHEN i % 4 = 1 THEN i END
FROM generate_series(1, $n) i;
INSERT INTO plait.ready (run_id, position, queued_at, expires_at, era, action_id, task, attempt, retry, lost, priority)
SELECT $id(i), i, now() - interval '1 h', CASE WHEN i % 10 = 0 THEN now() + interval '1 day' END, 1,
       CASE WHEN i % 2 = 0 THEN $actions[1] ELSE 3 + i % least(50, $few) END, 0, 1, 0,
    CASE WHEN i % 100 = 7 THEN 1 ELSE 0 END, 1
FROM generate_series(1, $n) i;
INSERT INTO plait.running (run_id, worker_id, queued_at, started_at, action_id, task, attempt, retry, lost, priority)
SELECT $id(i), $id(i % 50), now(), now(), 3, 1, 1, 0, 0, 1 FROM generate_series(1, least($n, $slots)) i;
INSERT INTO plait.waiting (run_id, position, due_at, schedule_us, action_id, task, attempt, retry, lost, priority)
SELECT $id(i), i, CASE WHEN i % 2 = 0 THEN 'infinity' ELSE now() + interval '1 day' END, -1, 3, 2, 1, 0, 0, 1
FROM generate_series(1, $n) i;
INSERT INTO plait.wait (run_id, since, position, task, met) SELECT $id(i), now(), 0, 2, '{}' FROM generate_series(1, $n) i;
INSERT INTO plait.awaited_event (run_id, position, version_id, task, condition, key)
SELECT $id(i), 0, $other, 2, 0, 'other' || i % 1000 FROM generate_series(1, $n) i;
INSERT INTO plait.attempt (run_id, worker_id, queued_at, started_at, finished_at, task, attempt, retry, status, output)
SELECT $id(i), $id(1), now(), now(), now(), 3, 1, 0, 2, '1' FROM generate_series(1, $n) i;
INSERT INTO plait.log (run_id, seq, task, attempt, level, line) SELECT $id(i), i, 0, 1, 20, 'a line'
    FROM generate_series(1, $n) i;
INSERT INTO plait.child (parent_run_id, run_id, parent_task, key) SELECT $id(i), $id(i + 1), 0, 'k'
    FROM generate_series(1, $n) i;
INSERT INTO plait.cancellation (run_id, asked_id, reason, due_at)
SELECT $id(i), $id(i), 'why', now() + interval '1 s' FROM generate_series(1, $few) i;
INSERT INTO plait.idempotency_key (workflow, key, run_id) SELECT 'other', i::text, $id(i) FROM generate_series(1, $n) i;
INSERT INTO plait.event (id, created_at, pushed, position, key, payload)
SELECT $id(i), now() - interval '10 days' + i * interval '1 ms', i, CASE WHEN i % 10 > 0 THEN i END,
    'other' || i % 1000, '{}' FROM generate_series(1, $n) i;
INSERT INTO plait.event_inbox (pushed, event_id) SELECT i, $id(i) FROM generate_series(10, $n, 10) i;
INSERT INTO plait.delivery (key, scope, version_id, task, first_position, last_position)
SELECT 'other' || i, '', $other, 2, i, i FROM generate_series(1, $few) i;
INSERT INTO plait.filter (id, workflow, scope, expression, payload, declared)
SELECT gen_random_uuid(), 'other', i::text, 'true', '{}', false FROM generate_series(1, $few) i;
INSERT INTO plait.cron (id, next_at, bound_us, priority, declared, workflow, name, expression, timezone, catch_up, input)
SELECT $id(i), now() + interval '1 day', 0, 1, false, 'other' || i % 100, i::text, '* * * * *', 'UTC', 'none', '{}'
FROM generate_series(1, $few) i;
INSERT INTO plait.scheduled (id, run_at, version_id, priority, workflow, input, run_id)
SELECT $id(i), now() + i * interval '1 min', $other, 1, 'other', '{}', CASE WHEN i % 2 = 0 THEN $id(i) END
FROM generate_series(1, $n) i;
INSERT INTO plait.worker (id, name, host, pid, slots, lease_us, actions, versions, plait, ended_at)
SELECT $id(i), 'w', 'h', 1, 100, 3600000000, '{3}', ARRAY[$other]::int[], '0', CASE WHEN i >= 50 THEN now() END
FROM generate_series(0, $few) i;
