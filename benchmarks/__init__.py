"""Benchmarks: the bare statements (the floor) and Plait end to end, on one server, in one run. See ``README.md``."""
