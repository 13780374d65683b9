"""Starting one child: tied to its parent's life, in a session of its own, writing straight into its log file."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MARK = "KAPELLE_SUPERVISED"
"""Environment variable that names the home whose supervisor started a process; children of children inherit it."""

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Child(Protocol):
    """What the supervisor needs of a process; `subprocess.Popen` is one."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def send_signal(self, sig: int, /) -> None: ...


@dataclass(frozen=True)
class Adopted:
    """A process that runs already and that someone else started: watched by its id, its exit status unknown (0)."""

    pid: int
    is_mine: Callable[[], bool]
    """Whether the id still means the process that was adopted (ids are used again)."""

    def poll(self) -> int | None:
        return None if self.is_mine() else 0

    def send_signal(self, sig: int, /) -> None:
        if self.is_mine():
            os.kill(self.pid, sig)


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    tie: int | None = signal.SIGTERM,
    account: tuple[int, int] | None = None,
    pass_fds: Sequence[int] = (),
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `argv` with stdout and stderr appended to `log`.

    `tie`: the signal that the kernel sends it when the thread that called this ends (None: it outlives us).
    Call it from a thread that lives as long as the process. `account`: the (uid, gid) to become, without other groups.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    parent = os.getpid()
    user, group = account or (None, None)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own command lines, no shell
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            user=user,
            group=group,
            extra_groups=None if account is None else [],
            pass_fds=tuple(pass_fds),
            start_new_session=True,  # the terminal's Ctrl-C reaches only the supervisor, which stops us in order
            preexec_fn=None if tie is None else lambda: tie_to_parent(tie, parent),  # noqa: PLW1509 - two system calls
        )


def tie_to_parent(sig: int, parent: int) -> None:
    """In the new child: ask for `sig` at the parent's death, which may already have happened.

    It runs after the change of account, because that change clears the request.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, sig)
    if os.getppid() != parent:
        os._exit(1)


def is_alive(pid: int) -> bool:
    """Whether a process with this id exists and is not merely waiting to be reaped."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return not Path("/proc/self").exists()


def find_marked(mark: str) -> list[int]:
    """Ids of all processes, at any depth, whose environment carries `MARK=mark`; never this process or its parents.

    Reads /proc; where there is none the answer is empty.
    """
    wanted = f"{MARK}={mark}".encode()
    ours = {os.getpid(), os.getppid()}
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        pid = int(environ.parent.name)
        try:
            if pid not in ours and wanted in environ.read_bytes().split(b"\0") and is_alive(pid):
                found.append(pid)
        except OSError:
            continue  # it ended, or is not ours to look at
    return found


def send(child: Child, sig: int) -> None:
    """Signal a child that may have ended meanwhile."""
    try:
        child.send_signal(sig)
    except ProcessLookupError:
        return
