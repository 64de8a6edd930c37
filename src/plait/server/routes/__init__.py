"""The routes: parse, ask, answer. What they ask is in ``plait.server.clients``."""
