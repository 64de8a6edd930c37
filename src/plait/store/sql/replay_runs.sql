-- Replay ended runs by the plans $1 (JSON): see functions/replay_runs.sql.
SELECT plait.replay_runs($1::text) AS run_ids
