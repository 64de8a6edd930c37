-- Have the server follow the settings that ALTER SYSTEM wrote.
SELECT pg_reload_conf()
