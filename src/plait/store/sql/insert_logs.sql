-- Store lines of logs; one that is there already is left alone, so that sending again is harmless. Locks: none.
-- Index: log's key.
INSERT INTO plait.log (run_id, seq, task, attempt, level, line)
SELECT * FROM unnest($1::uuid[], $2::int8[], $3::int2[], $4::int2[], $5::int2[], $6::text[])
ON CONFLICT DO NOTHING
