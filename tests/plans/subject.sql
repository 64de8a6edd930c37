-- What statements are asked about: one of each kind. $name stands for an attribute of World.
INSERT INTO plait.worker (id, name, host, pid, slots, lease_us, actions, versions, plait, pace, clock_ms, switched_off)
VALUES ($worker, 'w', 'h', 1, 10, 3600000000, $actions, ARRAY[$version]::int[], '0', '{1,0,1,0,1,0}', 3, '{true}');
INSERT INTO plait.workflow (name, version_id, crons_of, on_events) VALUES ('subject', $version, $version, '{go}');
INSERT INTO plait.run (id, created_at, version_id, priority, pending, input, events_from, trigger_kind, trigger_id,
    trigger_task)
VALUES ($ready, now(), $version, 3, '{1}', '{}', NULL, NULL, NULL, NULL),
       ($running, now(), $version, 3, '{1}', '{}', NULL, NULL, NULL, NULL),
       ($waiting, now(), $version, 3, '{1}', '{}', currval('plait.position'), 2, $event, NULL),
       ($child, now(), $version, 3, '{1}', '{}', NULL, 1, $running, 0);
INSERT INTO plait.run (id, created_at, finished_at, version_id, priority, status, pending, input, metadata)
VALUES ($ended, now() - interval '1 hour', $ended_at, $version, 3, 2, '{0}', '{}', '{"user": "me"}');
INSERT INTO plait.ready (run_id, position, queued_at, expires_at, era, action_id, task, attempt, retry, lost, priority)
SELECT id, position, now(), now(), 1, $actions[1], 0, 1, 0, 0, 3 FROM plait.run WHERE id IN ($ready, $child);
INSERT INTO plait.running (run_id, worker_id, queued_at, started_at, action_id, task, attempt, retry, lost, priority)
VALUES ($running, $worker, now(), now(), $actions[1], 0, 1, 0, 1, 3);
INSERT INTO plait.waiting (run_id, position, due_at, schedule_us, action_id, task, attempt, retry, lost, priority)
SELECT id, position, now(), -1, $actions[1], 0, 1, 0, 0, 3 FROM plait.run WHERE id = $waiting;
INSERT INTO plait.wait (run_id, since, position, task, met) VALUES ($waiting, now(), 0, 0, '{}');
INSERT INTO plait.awaited_event (run_id, position, version_id, task, condition, key) VALUES ($waiting, 0, $version, 0,
    0, 'go');
INSERT INTO plait.attempt (run_id, worker_id, queued_at, started_at, finished_at, task, attempt, retry, status, output)
SELECT $ended, $worker, now(), now(), now(), t, 1, 0, 2, '1' FROM generate_series(0, 1) t;
INSERT INTO plait.log (run_id, seq, task, attempt, level, line) VALUES ($ended, 1, 0, 1, 20, 'a line');
INSERT INTO plait.child (parent_run_id, run_id, parent_task, key) VALUES ($running, $child, 0, 'k');
INSERT INTO plait.cancellation (run_id, asked_id, reason) VALUES ($ended, $ended, 'why');
INSERT INTO plait.idempotency_key (workflow, key, run_id) VALUES ('subject', 'k', $ended);
INSERT INTO plait.event (id, created_at, position, key, payload) VALUES ($event, now(), nextval('plait.position'),
    'go', '{}');
INSERT INTO plait.event (id, created_at, key, payload) VALUES ($fresh_event, now(), 'go', '{}');
INSERT INTO plait.event_inbox (pushed, event_id) SELECT pushed, id FROM plait.event WHERE id = $fresh_event;
INSERT INTO plait.delivery (key, scope, version_id, task, first_position, last_position)
VALUES ('go', '', $version, 0, 1, currval('plait.position'));
INSERT INTO plait.filter (id, workflow, scope, expression, payload, declared) VALUES ($filter, 'subject', 's', 'true',
    '{}', false);
INSERT INTO plait.cron (id, next_at, bound_us, priority, declared, workflow, name, expression, timezone, catch_up, input)
VALUES ($cron, $moment, 0, 1, false, 'subject', 'c', '* * * * *', 'UTC', 'none', '{}');
INSERT INTO plait.scheduled (id, run_at, version_id, priority, workflow, input) VALUES ($scheduled, $moment, $version,
    1, 'subject', '{}');
INSERT INTO plait.lease (name, holder, expires_at) VALUES ('maintenance', $worker, now());
INSERT INTO plait.watch (watched_us) VALUES (0);
