"""How a worker process tells how it is: its pace, its metrics, and a port for probes and Prometheus."""
