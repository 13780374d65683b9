"""For collect figures: PostgreSQL, an edge and a projector as processes, and who used how much processor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from harness import HOME, free_port, wait_until
from kapelle.kernel import config as kernel_config
from kapelle.kernel.postgres import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness import Live

CLI = [sys.executable, "-m", "kapelle.web.cli"]
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Collecting:
    """PostgreSQL with the product's settings, an edge, and (unless told not to) a projector."""

    projector: bool = True
    home: Path = HOME
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    write_key: str = ""

    def __enter__(self) -> Self:
        self.port = free_port()
        self.environment = {**os.environ, "PORT": str(self.port)}
        self.config = replace(kernel_config.load(), port=self.port)
        self.cluster = Cluster(self.config)
        self.cluster.start()
        self.cli("migrate")
        self.cli("workspace", "create", "bench")
        self.write_key = self.cli("key", "create", "--workspace", "bench", "--name", "bench", "--scope", "write")
        self._start("edge")
        if self.projector:
            self._start("worker", "projector")
        wait_until(self._edge_answers, seconds=20, what="the edge answers")
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)
        self.cluster.stop()

    def cli(self, *arguments: str) -> str:
        done = subprocess.run([*CLI, *arguments], env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def cpu(self) -> dict[str, float]:
        """Seconds of processor used so far, by part."""
        used = {name: _cpu_seconds(process.pid) for name, process in self.processes.items()}
        used["postgres"] = sum(_cpu_seconds(pid) for pid in _postgres_processes(self.cluster))
        return used

    def _start(self, *words: str) -> None:
        log = (self.home / "logs" / f"{words[-1]}.log").open("ab")
        self.processes[words[-1]] = subprocess.Popen([*CLI, *words], env=self.environment, stdout=log, stderr=log)

    def _edge_answers(self) -> bool:
        done = subprocess.run(
            ["curl", "-fs", f"http://127.0.0.1:{self.port}/healthz"], capture_output=True, check=False
        )
        return done.returncode == 0


def _postgres_processes(cluster: Cluster) -> Iterator[int]:
    return _family(int((cluster.data / "postmaster.pid").read_text().split()[0]))


def _family(main: int) -> Iterator[int]:
    """A process and its children."""
    yield main
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == main:
                yield int(stat.parent.name)
        except OSError:
            continue


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def shares(before: dict[str, float], after: dict[str, float], seconds: float) -> dict[str, float]:
    """Processors used by each part, averaged over `seconds`."""
    return {name: round((after[name] - before.get(name, 0)) / seconds, 2) for name in after}


def memory_of(live: Live) -> dict[str, float]:
    """Megabytes of each supervised process; what PostgreSQL's processes share counts once."""
    pids: dict[str, Iterable[int]] = {path.stem: [int(path.read_text())] for path in (live.home / "run").glob("*.pid")}
    if "postgres" in pids:
        pids["postgres"] = _family(*pids["postgres"])
    return {name: sum(map(_proportional_mb, found)) for name, found in pids.items()}


def _proportional_mb(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass  # a session that has ended
    return 0.0
