"""Finding the server processes of one data folder, whoever started them. Reads only, and needs no rights for it.

The folder's identity travels as `cluster_name`, which PostgreSQL shows in the title of each of its processes. (The
working folder of another user's process would tell too, but root in a container may not look at it.)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kapelle.kernel.processes import is_alive

_PROC = Path("/proc")
_PID_LINE, _STATUS_LINE = 0, 7


@dataclass(frozen=True)
class Postmaster:
    """The running main process of a cluster, as its lock file tells."""

    pid: int
    status: str
    """`starting`, `ready`, `stopping` or ''."""


def cluster_name(data: Path) -> str:
    """Names this very folder; a copy of it elsewhere has another name."""
    facts = data.stat()
    return f"kapelle-{facts.st_dev:x}-{facts.st_ino:x}"


def find(data: Path) -> Postmaster | None:
    """The main process that serves `data`, None when there is none (a stale lock file does not count)."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid = abs(int(lines[_PID_LINE]))
        if not serves(pid, data):
            return None
    except (OSError, ValueError, IndexError):
        return None
    return Postmaster(pid, lines[_STATUS_LINE].strip() if len(lines) > _STATUS_LINE else "")


def serves(pid: int, data: Path) -> bool:
    """Whether the process is a PostgreSQL that works in `data`: ids are used again, and homes are copied."""
    if not is_alive(pid):
        return False
    if not (_PROC / "self").exists():
        return True  # no /proc here: the lock file has to be believed
    try:
        return cluster_name(data).encode() in _title(pid)
    except OSError:
        return False


def program(pid: int) -> Path:
    """The file that the main process was started from."""
    return Path(_title(pid).split(b"\0", 1)[0].decode()).resolve()


def is_doomed(pid: int, tied_to: int | None) -> bool:
    """Whether a server that ends with another process has lost it: it shuts down, even if it does not say so yet."""
    if tied_to is None:
        return False
    try:
        status = (_PROC / str(pid) / "status").read_text()
    except OSError:
        return not is_alive(tied_to)
    return f"\nPPid:\t{tied_to}\n" not in status or not is_alive(tied_to)


def all_serving(data: Path) -> list[int]:
    """Every PostgreSQL process that works in `data`, such as sessions whose main process was killed."""
    if not data.exists():
        return []
    return [int(path.name) for path in _PROC.glob("[0-9]*") if serves(int(path.name), data)]


def drop_foreign_lock(data: Path) -> None:
    """Remove a lock file whose process id means something else now, for which PostgreSQL would refuse to start.

    That is: a home copied while its server ran, an id used again after a reboot, or a killed server that nobody has
    reaped yet (in a container whose first process does not). All other stale lock files PostgreSQL clears by itself.

    Only to be called when no process works in `data`.
    """
    lock = data / "postmaster.pid"
    try:
        pid = abs(int(lock.read_text().split("\n", 1)[0]))
    except (OSError, ValueError):
        return
    if (_PROC / str(pid)).exists() and not serves(pid, data):
        lock.unlink(missing_ok=True)


def _title(pid: int) -> bytes:
    """The command line, in which PostgreSQL's sessions write what they are."""
    return (_PROC / str(pid) / "cmdline").read_bytes()
