-- The moment before which things are older than an interval. Reads nothing but the clock.
SELECT plait.now() - $1::interval AS moment
