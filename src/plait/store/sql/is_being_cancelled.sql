-- Whether child runs of run $1 are still to be cancelled, or it with a run above it. Indexes: cancellation_run, run's key.
SELECT EXISTS (SELECT FROM plait.cancellation WHERE run_id = $1) OR plait.is_being_cancelled($1) AS cancelled
