-- Start run $2 of cron $1 now, whether it is due or paused; $3 is what its metadata says of the time. No row: no such cron.
-- Index: cron's key.
SELECT plait.start_runs(
           ARRAY[$2::uuid], ARRAY[plait.find_version(workflow)], ARRAY[input],
           ARRAY[(coalesce(metadata, '{}') || jsonb_build_object('cron_name', name, 'fire_time', $3::text))::text],
           ARRAY[priority], NULL, true, false, ARRAY[plait.by_cron()], ARRAY[id]) AS run_ids
FROM plait.cron WHERE id = $1
