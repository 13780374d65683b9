"""A yard for kills: PostgreSQL, columnar, edges, a projector and a columnar writer as real processes, no supervisor.

Whoever kills one starts the next: they come from nurseries, so that this takes little time. One installation lasts for
all trials.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from columnar_host import Host
from edge_process import EdgeProcess
from faults.nursery import Child, Nursery
from kapelle.kernel import config as kernel_config
from kapelle.kernel.postgres import Cluster
from live import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CLI = [sys.executable, "-m", "kapelle.web.cli"]


ROLES = ("projector", "columnar-writer")


@dataclass
class NurseryEdge(EdgeProcess):
    """An edge whose start takes little time."""

    nursery: Nursery = field(kw_only=True)

    def spawn(self) -> Child:
        return self.nursery.start(**self.environment, PORT=str(self.port))


class Yard:
    """One installation in a home of its own. `environ` goes to all of its processes but PostgreSQL's."""

    def __init__(self, home: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        self.home = home or Path(tempfile.mkdtemp(prefix="kapelle-yard-"))
        self.config = replace(kernel_config.load({}), home=self.home)
        outer = {k: v for k, v in os.environ.items() if not k.startswith(("KAPELLE_", "DATABASE_", "CLICKHOUSE_"))}
        self.environ = {**outer, "KAPELLE_HOME": str(self.home), **(environ or {})}
        self.cluster = Cluster(self.config)
        self.columnar = Host(self.home, environ=dict(self.environ))
        self.edges: list[NurseryEdge] = []
        self.workers: dict[str, Nursery] = {}
        self._postgres = threading.Lock()

    def __enter__(self) -> Self:
        (self.home / "logs").mkdir(parents=True, exist_ok=True)
        self.columnar.start()
        self.cluster.start()
        self.cli("migrate")
        self.cli("workspace", "create", "yard")
        self.write_key = self.cli("key", "create", "--workspace", "yard", "--name", "y", "--scope", "write")
        logs = self.home / "logs"
        self.edges = [NurseryEdge(nursery=Nursery(("edge",), logs / f"edge-{n}.log", self.environ)) for n in range(2)]
        self.workers = {role: Nursery(("worker", role), logs / f"{role}.log", self.environ) for role in ROLES}
        for nursery in self.workers.values():
            nursery.start()
        for edge in self.edges:
            edge.start()
        # A key that no edge has seen yet would be refused in the first outage.
        wait_until(self._know_key, seconds=20, what="the edges know the key")
        return self

    def __exit__(self, *_: object) -> None:
        for nursery in (*self.workers.values(), *(edge.nursery for edge in self.edges)):
            nursery.close()
        with suppress(AssertionError):
            self.columnar.kill()
        self.cluster.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _know_key(self) -> bool:
        for edge in self.edges:
            assert edge.post("/v1/batch", {"batch": []}, key=self.write_key).status == 200
        return (self.config.run_dir / "edge-keys.json").exists()

    def cli(self, *arguments: str) -> str:
        done = subprocess.run([*_CLI, *arguments], env=self.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def post(self, batch: list[dict[str, Any]]) -> int:
        """Send to one of the edges; the clients' `post`."""
        edge = random.choice(self.edges)
        return edge.post("/v1/batch", {"batch": batch}, key=self.write_key).status

    @contextmanager
    def outage(self) -> Iterator[None]:
        """PostgreSQL is killed like by the kernel's out-of-memory killer, and is back at the end."""
        with self._postgres:
            pid = int((self.cluster.data / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGKILL)
            try:
                yield
            finally:
                self.cluster.start()

    def last_words(self, lines: int = 8) -> str:
        """The end of each log, for a failed test's report."""
        logs = sorted((self.home / "logs").glob("*.log"))
        return "\n".join(f"== {path.name}\n" + "\n".join(path.read_text().splitlines()[-lines:]) for path in logs)


def await_death(process: Child, seconds: float) -> bool:
    """Whether it died by SIGKILL by itself within so long; if it still lives it is killed now."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    died = process.poll() == -signal.SIGKILL
    kill(process)
    return died


def kill(process: Child) -> bool:
    """SIGKILL; whether it was alive until now."""
    was_alive = process.poll() is None
    process.kill()
    process.wait()
    return was_alive


def has_connection(process: Child) -> bool:
    """Whether the start of Python is behind it: it has opened a connection. True as well if it has ended."""
    try:
        return any("socket:" in str(link.readlink()) for link in Path(f"/proc/{process.pid}/fd").iterdir())
    except OSError:
        return process.poll() is not None
