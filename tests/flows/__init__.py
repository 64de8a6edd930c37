"""Workflows that worker processes run: each module has ``declare(plait, **options)``."""
