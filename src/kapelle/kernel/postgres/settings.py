"""PostgreSQL's configuration files for the embedded cluster, computed for the machine. Pure: facts in, text out."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

_MB = 1024 * 1024
_GB = 1024 * _MB
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")

HBA = """\
# Written by Kapelle at each start. Passwords only, this machine only.
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
"""


@dataclass(frozen=True)
class Machine:
    """What the settings depend on, in bytes."""

    memory: int
    disk_free: int
    shared_memory: int
    """Size of /dev/shm: containers often have only 64 MB, too little for parallel plans."""


def this_machine(folder: Path) -> Machine:
    """The facts of this machine, a container's memory limit respected."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name in _CGROUP_LIMITS:
        try:
            memory = min(memory, int(Path(name).read_text()))
        except (OSError, ValueError):
            continue
    shm = Path("/dev/shm")  # noqa: S108 - looked at, not written
    return Machine(memory, shutil.disk_usage(folder).free, shutil.disk_usage(shm).total if shm.is_dir() else 0)


def configuration(machine: Machine) -> str:
    """The text of postgresql.conf. An operator's own wishes go through ALTER SYSTEM, which wins over this file."""
    shared = _clamp(machine.memory // 8, 64 * _MB, 4 * _GB)
    wal = _clamp(machine.disk_free // 10, 512 * _MB, 4 * _GB)
    maintenance = _clamp(machine.memory // 32, 64 * _MB, 512 * _MB)
    values = {
        "max_connections": "100",
        "shared_buffers": _mb(shared),
        "effective_cache_size": _mb(machine.memory // 2),
        "work_mem": _mb(_clamp(machine.memory // 512, 4 * _MB, 32 * _MB)),
        "maintenance_work_mem": _mb(maintenance),
        "huge_pages": "off",
        "dynamic_shared_memory_type": "posix" if machine.shared_memory >= 256 * _MB else "sysv",
        "max_locks_per_transaction": "256",  # monthly partitions: a query may lock many tables
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "wal_compression": "on",
        "max_wal_size": _mb(wal),
        "min_wal_size": _mb(min(256 * _MB, wal // 2)),
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "autovacuum_naptime": "15s",
        "jit": "off",
        "track_io_timing": "on",
        "password_encryption": "scram-sha-256",
        "log_destination": "stderr",
        "logging_collector": "off",  # the supervisor gives it its log file
        "log_line_prefix": "'%m [%p] %q%u@%d '",
        "log_checkpoints": "off",
        "log_lock_waits": "on",
        # A failed statement may hold what people wrote; its sender logs the error by itself.
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_min_duration_statement": "5s",
        "log_timezone": "'UTC'",
        "timezone": "'UTC'",
        "datestyle": "'iso, mdy'",
        "lc_messages": "'C'",
        "lc_monetary": "'C'",
        "lc_numeric": "'C'",
        "lc_time": "'C'",
        "default_text_search_config": "'pg_catalog.simple'",
    }
    lines = "".join(f"{name} = {value}\n" for name, value in values.items())
    return f"# Written by Kapelle at each start. For settings of your own use ALTER SYSTEM.\n{lines}"


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


def _mb(value: int) -> str:
    return f"{value // _MB}MB"
