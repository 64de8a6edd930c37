-- Databases whose names begin with $1.
SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1) ORDER BY datname
