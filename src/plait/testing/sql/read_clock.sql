-- The time now, by the test's clock.
SELECT plait.clock() AS now
