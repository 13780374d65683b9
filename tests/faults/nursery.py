"""`kapelle edge` and `kapelle worker ROLE` that start in hundredths of a second, for hundreds of kills.

A nursery is a process that has imported all that the command needs, and forks one child after the other that runs it.
The child is a process like any other; only the imports were done before. As a script: `nursery.py WORDS`, then a line
of JSON (the child's own environment) for each child; answers are its pid and, at its end, its exit status.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """One forked child, with what the tests use of `Popen`."""

    pid: int
    _answers: IO[bytes]
    _status: int | None = None

    def poll(self) -> int | None:
        if self._status is None and select.select([self._answers], [], [], 0)[0]:
            self._read()
        return self._status

    def wait(self, timeout: float = 30.0) -> int:
        if self._status is None and not select.select([self._answers], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("a nursery's child", timeout)
        if self._status is None:
            self._read()
        assert self._status is not None
        return self._status

    def _read(self) -> None:
        self._status = int(self._answers.readline())

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


@dataclass
class Nursery:
    """Starts `kapelle WORDS` again and again, one at a time."""

    words: tuple[str, ...]
    log: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    child: Child | None = None

    def __post_init__(self) -> None:
        command = [sys.executable, __file__, *self.words]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=dict(self.environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0
            )

    def start(self, **environ: str) -> Child:
        """A child with these variables besides; the last one must have ended."""
        assert self.child is None or self.child.poll() is not None, "its last child still lives"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(environ).encode() + b"\n")
        self.child = Child(int(self._process.stdout.readline()), self._process.stdout)
        return self.child

    def stop(self) -> None:
        """End the child, if there is one."""
        if self.child is not None and self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    def close(self) -> None:
        self.stop()
        self._process.kill()
        self._process.wait()


def _import_all(words: list[str]) -> None:
    if words[0] == "edge":
        importlib.import_module("kapelle.edge.server")
        return
    command = importlib.import_module("kapelle.web.cli.worker_command")
    role = command.ROLES[words[1]]
    command.start_django(role.database_role)
    for module in (command.SUBSCRIPTIONS, "kapelle.web.checks", role.module):
        importlib.import_module(module)


def _serve(words: list[str]) -> None:
    cli = importlib.import_module("kapelle.web.cli")
    faults = importlib.import_module("kapelle.kernel.faults")
    _import_all(words)
    for line in sys.stdin.buffer:
        pid = os.fork()
        if pid == 0:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            os.environ.update(json.loads(line))
            importlib.reload(faults)  # it has read the environment when it was imported
            os.dup2(2, 1)
            sys.argv = ["kapelle", *words]
            cli.main()
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(sys.argv[1:])
