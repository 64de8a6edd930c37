"""The dashboard's server: a REST API, a stream of changes and the dashboard itself. ``pip install plait`` has it all;
nothing of it is imported unless it is used."""
