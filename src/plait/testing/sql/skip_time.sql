-- Let $1 microseconds pass for everything that follows the database's clock, and wake the timers.
SELECT plait.skip_time($1::int8 * interval '1 microsecond')
