-- What the database believes worker $1 holds, by key. A scan of running, which is small.
SELECT run_id, task, attempt FROM plait.running WHERE worker_id = $1
