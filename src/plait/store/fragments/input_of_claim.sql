       -- Of each run once; together at most so many bytes, the rest is read when it is needed.
       CASE WHEN row_number() OVER run = 1
             AND sum(octet_length(r.input)) FILTER (WHERE octet_length(r.input) <= h.input_bytes)
                 OVER (ORDER BY t.run_id, t.task) <= h.input_bytes
             AND octet_length(r.input) <= h.input_bytes
       THEN r.input END AS input,
