-- Replay ended runs by the plans $1 (JSON): see plait.replay_runs in the migrations.
SELECT plait.replay_runs($1::text) AS run_ids
