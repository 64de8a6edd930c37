-- The moment that is $1, an interval, ago; ahead, if that is negative. Reads nothing but the clock.
SELECT plait.now() - $1::interval AS moment
