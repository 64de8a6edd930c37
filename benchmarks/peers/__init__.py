"""``make bench-peers``: Plait and other systems in one run, on one PostgreSQL, each as its own guide recommends."""
