"""Children that need no imports: one process loads the program once, and every other is forked from it.

Loading the product takes seconds of processor time, and each of its processes would pay them again at every start.
A child asks for nothing of the fork server after its birth: it belongs to the supervisor like any other (Linux gives an
orphan to its nearest ancestor that has asked for orphans), so the end of the fork server ends nobody.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from setproctitle import setproctitle

from kapelle.kernel.processes.spawn import tie_to_parent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE_SECONDS = 10.0
TITLE = "kapelle"
IS_SUPPORTED = sys.platform == "linux"


class Birth(NamedTuple):
    """What a child is for, and whose it will be."""

    words: list[str]
    log: str
    parent: int


@dataclass
class ForkedChild:
    """A child that the fork server bore and Linux gave to us: waited for like our own."""

    pid: int
    _status: int | None = None

    def poll(self) -> int | None:
        """Its exit status (negative: the signal that ended it), None while it lives."""
        if self._status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                pid, status = self.pid, 0
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def send_signal(self, sig: int, /) -> None:
        """Does nothing once it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)


@dataclass(frozen=True)
class ForkServer:
    """The supervisor's side: asks the process that has called `serve_forks(address)` for children."""

    address: Path
    program: tuple[str, ...]
    """What the fork server has loaded: a child for `(*program, *words)` is started with `words`."""

    def is_ready(self) -> bool:
        """Whether everything is loaded."""
        with socket.socket(socket.AF_UNIX) as line:
            return line.connect_ex(str(self.address)) == 0

    def fork(self, argv: Sequence[str], log: Path) -> ForkedChild:
        """Start `argv`, its output appended to `log`; raises OSError when there is no server to bear it."""
        log.parent.mkdir(parents=True, exist_ok=True)
        birth = Birth(list(argv[len(self.program) :]), str(log), os.getpid())
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(_PATIENCE_SECONDS)
            line.connect(str(self.address))
            line.sendall(json.dumps(birth).encode() + b"\n")
            answer = line.makefile("rb").readline()
        if not answer.endswith(b"\n"):
            raise OSError(errno.ECHILD, "The fork server ended before it had started the process")
        return ForkedChild(int(answer))


def serve_forks(address: Path) -> list[str]:
    """In the fork server: bear a child for each request, for ever. In a child: returns its words."""
    os.environ.setdefault("SPT_NOENV", "1")  # a title must not overwrite the environment, by which we find our own
    gc.collect()
    gc.freeze()  # a collection in a child would touch, and so copy, every page that it shares
    with socket.socket(socket.AF_UNIX) as listener:
        address.unlink(missing_ok=True)
        listener.bind(str(address))
        listener.listen(16)
        while True:
            with listener.accept()[0] as line:
                request = line.makefile("rb").readline()
                if not request:
                    continue  # it only wanted to know whether we are there
                middle = os.fork()
                if middle:
                    os.waitpid(middle, 0)
                    continue
                if os.fork():
                    os._exit(0)
                return _begin(Birth(*json.loads(request)), line, listener)


def _begin(birth: Birth, line: socket.socket, listener: socket.socket) -> list[str]:
    """In the new child: become the supervisor's, as `spawn` would have made us."""
    listener.close()
    os.setsid()
    end = time.monotonic() + _PATIENCE_SECONDS
    while os.getppid() != birth.parent:  # the one between us is just ending
        if time.monotonic() > end:
            os._exit(1)
        time.sleep(0.001)
    tie_to_parent(signal.SIGTERM, birth.parent)
    with open(birth.log, "ab") as output, open(os.devnull, "rb") as nothing:  # noqa: PTH123 - descriptors, no paths
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    setproctitle(f"{TITLE} {' '.join(birth.words)}")
    line.sendall(f"{os.getpid()}\n".encode())
    return birth.words


def adopt_orphans() -> None:
    """From here on this process is the parent of all that descends from it and loses its own."""
    if IS_SUPPORTED:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_strangers(ours: set[int]) -> None:
    """Wait for ended orphans that were given to this process, except for `ours`, whose status someone will ask for."""
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid not in ours:
            os.waitpid(ended.si_pid, 0)
