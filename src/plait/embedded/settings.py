"""The settings of the embedded PostgreSQL. Every one that differs from PostgreSQL's default says why."""

from __future__ import annotations

import os
from pathlib import Path

_MIB = 1024 * 1024

TEMPLATE = """\
# Written by Plait at every start; changes are lost. To change a setting use ALTER SYSTEM SET: it wins.
include_if_exists = {user_conf}

# Reached through a Unix socket in a folder closed to other accounts; no TCP, so `trust` lets nobody else in.
listen_addresses = ''
port = {port}
unix_socket_directories = {socket_dir}
unix_socket_permissions = 0700

# Stated, not changed: a trigger that returned survives any crash.
fsync = on
synchronous_commit = on
full_page_writes = on

max_connections = 200                    # several worker processes, a dashboard and tests on one server
shared_buffers = {shared_buffers_mib}MB  # the hot tables stay in memory; at most an eighth of the machine
random_page_cost = 1.1                   # SSD: the queue's index must win over scans, analysed or not
max_parallel_workers_per_gather = 0      # the cores belong to the tasks; /dev/shm of a container is small

# Fewer checkpoints: after each one the first change of a page writes the whole page to the WAL.
checkpoint_timeout = 15min
max_wal_size = 2GB
wal_compression = {compression}          # and those pages are written small
{toast_compression}
# Queue tables turn over all the time; look often, work in the default small steps.
autovacuum_naptime = 10s
jit = off                                # short statements: compiling costs more than it gives

track_counts = on                        # tests read these statistics
track_io_timing = off
{preload}
timezone = 'UTC'
log_timezone = 'UTC'
log_destination = 'stderr'               # Plait's keeper owns the file and bounds its size
logging_collector = off
log_line_prefix = '%m [%p] %a: '
log_checkpoints = off
log_autovacuum_min_duration = -1
log_min_duration_statement = 5s          # quiet, but a statement this slow is a defect of Plait's
log_lock_waits = on
"""


def render_settings(*, user_conf: Path, socket_dir: Path, port: int, has_lz4: bool, has_statements: bool) -> str:
    """The text of ``postgresql.plait.conf``.

    ``has_lz4``: PostgreSQL was built with LZ4; ``has_statements``: ``pg_stat_statements`` is installed.
    """
    return TEMPLATE.format(
        user_conf=quote_setting(str(user_conf)),
        socket_dir=quote_setting(str(socket_dir)),
        port=port,
        shared_buffers_mib=choose_shared_buffers(_read_memory_bytes()),
        compression="lz4" if has_lz4 else "pglz",
        toast_compression="default_toast_compression = lz4          # large payloads cost less\n" if has_lz4 else "",
        preload="shared_preload_libraries = 'pg_stat_statements'\n" if has_statements else "",
    )


def quote_setting(value: str) -> str:
    """``value`` as a quoted string of postgresql.conf."""
    if "\n" in value or "\r" in value:
        raise ValueError(f"{value!r}: a setting cannot contain a line break")
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def choose_shared_buffers(memory_bytes: int) -> int:
    """MiB of shared buffers for a machine: an eighth of it, at least 32, at most 256."""
    return max(32, min(256, memory_bytes // 8 // _MIB))


def _read_memory_bytes() -> int:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return machine
    return min(machine, int(limit)) if limit.isdigit() else machine
