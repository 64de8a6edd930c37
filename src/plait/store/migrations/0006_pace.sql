-- How fast each worker works, by its own counting: whoever watches adds up a row per worker and reads no history.
-- Works with code for schema 4.

-- Written with the heartbeat. Of the last 10, 60 and 300 seconds each: how many attempts ended, and how many of these failed
-- (retries to come or not). NULL: not told yet.
ALTER TABLE plait.worker ADD COLUMN pace integer[];
