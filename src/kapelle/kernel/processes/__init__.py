"""Child processes: started so that none outlives its supervisor, watched, restarted, logged. Knows none by name."""

from __future__ import annotations

from kapelle.kernel.processes.fork_server import ForkServer, serve_forks
from kapelle.kernel.processes.locks import FileLock, LockTaken
from kapelle.kernel.processes.spawn import Adopted, Child, find_marked, is_alive, spawn
from kapelle.kernel.processes.supervisor import Supervisor
from kapelle.kernel.processes.table import Backoff, Process

__all__ = [
    "Adopted",
    "Backoff",
    "Child",
    "FileLock",
    "ForkServer",
    "LockTaken",
    "Process",
    "Supervisor",
    "find_marked",
    "is_alive",
    "serve_forks",
    "spawn",
]
