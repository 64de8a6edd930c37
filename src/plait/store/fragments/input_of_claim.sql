       -- Of each run once; together at most $4 bytes, the rest is read when it is needed.
       CASE WHEN row_number() OVER run = 1
             AND sum(octet_length(r.input)) FILTER (WHERE octet_length(r.input) <= $4) OVER (ORDER BY t.run_id, t.task) <= $4
             AND octet_length(r.input) <= $4
       THEN r.input END AS input,
