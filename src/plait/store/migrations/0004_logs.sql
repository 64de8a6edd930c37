-- What tasks write: by ctx.log, and their own logging output where that is switched on.

-- Append-only. `seq` are microseconds since 1970 by the clock of the worker, each used once by a process: so the key is the
-- order of the lines of a task, lines of several tasks can be merged by it, and sending a batch again adds nothing.
CREATE TABLE plait.log (
    run_id  uuid NOT NULL,
    seq     bigint NOT NULL,
    task    smallint NOT NULL,
    attempt smallint NOT NULL,
    level   smallint NOT NULL,                -- as Python's logging counts: 20 INFO, 30 WARNING, 40 ERROR
    line    text NOT NULL,
    PRIMARY KEY (run_id, task, seq, attempt)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.2);
