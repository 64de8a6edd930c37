"""Tests of ``plait.testing``: in this process, and of the plugin through pytest's own ``pytester``."""

pytest_plugins = ["pytester"]
