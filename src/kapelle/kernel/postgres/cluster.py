"""One home's embedded PostgreSQL: started, adopted and stopped. See docs/adr/0002-embedded-postgresql.md."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from kapelle.kernel.postgres import binaries, postmaster, settings
from kapelle.kernel.postgres.account import account_for
from kapelle.kernel.postgres.layout import DATABASE, OWNER, ROOT, Layout, port_is_free
from kapelle.kernel.postgres.making import ENVIRON, WORK_FOLDER, PostgresUnavailable, Programs, ensure_made, reach
from kapelle.kernel.processes import Adopted, Child, FileLock, LockTaken, is_alive, spawn
from kapelle.kernel.processes.logs import rotate, tail

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kapelle.kernel.config import Config

_LOCK_SECONDS = 120.0
_STOP_SECONDS = 20.0


class Cluster:
    """The embedded cluster of one home. Any process of that home may make one; one of them starts the server."""

    def __init__(self, config: Config) -> None:
        self._layout = Layout(config)
        self._start_lock = FileLock(config.run_dir / "postgres.start.lock")
        self._use_lock = FileLock(config.run_dir / "postgres.use.lock")
        self._child: Child | None = None

    @property
    def data(self) -> Path:
        return self._layout.data

    @property
    def log(self) -> Path:
        return self._layout.log

    def owner_url(self) -> str:
        """URL of the owner's connection; works from any process of the same home while the cluster runs."""
        return self._url(OWNER)

    def admin_url(self) -> str:
        """URL of the superuser's connection, for repairs only."""
        return self._url(ROOT)

    def _url(self, role: str) -> str:
        address, password = self._layout.address(), self._layout.known_password(role)
        if address is None or password is None:
            raise PostgresUnavailable("The embedded PostgreSQL was never started here; run `kapelle up`.")
        return address.url(role, password, DATABASE)

    def is_running(self) -> bool:
        """Whether it accepts connections now, whoever started it."""
        found = postmaster.find(self.data)
        return found is not None and found.status == "ready"

    def _connects(self) -> bool:
        """Whether its socket takes a connection: a server that was just killed may still look alive."""
        address = self._layout.address()
        if address is None:
            return False
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(address.socket_file)) == 0

    def identity(self) -> str | None:
        """Changes when the cluster is made anew; None when there is none."""
        try:
            facts = (self.data / "PG_VERSION").stat()
        except OSError:
            return None
        return f"{facts.st_ino}-{facts.st_mtime_ns}"

    def start(self, timeout: float = 60.0) -> None:
        """Run it, or use the one that runs, until `stop`. It outlives this process if `stop` is never called."""
        child = self.launch(tie=None)
        deadline = time.monotonic() + timeout
        while not (self.is_running() and self._connects()):
            ended = child.poll() is not None
            if ended and isinstance(child, Adopted):  # what was found running was on its way out
                child = self.launch(tie=None)
            elif ended or time.monotonic() > deadline:
                self.release()
                what = "did not start" if ended else f"was not ready within {timeout:.0f} s"
                raise PostgresUnavailable(f"PostgreSQL {what}. The end of {self.log}:\n{tail(self.log)}")
            time.sleep(0.01)

    def launch(self, *, tie: int | None = signal.SIGINT) -> Child:
        """Start the server or adopt the one that runs; does not wait until it is ready.

        `tie`: the signal it gets when the calling thread ends (SIGINT is PostgreSQL's fast shutdown). From here on this
        process counts as a user of the server: `running` elsewhere does not stop it.
        """
        self._layout.make_folders()
        if not self._use_lock.held:
            self._use_lock.acquire(shared=True, timeout=_LOCK_SECONDS)
        if self._child is not None:
            self._child.poll()  # reaps it if it has ended
        with self._start_lock.holding(timeout=_LOCK_SECONDS):
            self._child = self._adopt() or self._start_new(tie)
        return self._child

    def _adopt(self) -> Child | None:
        """The server that runs already: an orphan of a killed supervisor, or one that another command started."""
        found = postmaster.find(self.data)
        if found is None:
            return None
        address = self._layout.address()
        leaves = found.status == "stopping" or address is None or postmaster.is_doomed(found.pid, address.tied_to)
        if not leaves and self._is_current(found.pid):
            return Adopted(found.pid, lambda: postmaster.serves(found.pid, self.data))
        self._end(_STOP_SECONDS)  # on its way out, out of reach, or of a version that was replaced since
        return None

    def _is_current(self, pid: int) -> bool:
        """Whether the server runs the programs that we would start."""
        try:
            return postmaster.program(pid) == self._programs().server.resolve()
        except OSError:
            return False  # it has ended meanwhile

    def _programs(self) -> Programs:
        account = account_for(self.data)
        return Programs(binaries.for_others() if account else binaries.installed(), account)

    def _start_new(self, tie: int | None) -> Child:
        _end_strays(self.data)  # sessions that have not noticed yet that their main process was killed
        programs = self._programs()
        rotate(self.log)
        ensure_made(self._layout, programs)
        (self.data / "postgresql.conf").write_text(settings.configuration(settings.this_machine(self.data)))
        (self.data / "pg_hba.conf").write_text(settings.HBA)
        postmaster.drop_foreign_lock(self.data)
        address = self._layout.make_address(programs.account, None if tie is None else os.getpid())
        loopback = "127.0.0.1" if port_is_free(address.port) else ""  # taken by others: the socket is enough
        with ExitStack() as stack:
            data, data_fds = reach(self.data, programs.account, stack)
            sockets, socket_fds = reach(address.socket_dir, programs.account, stack)
            options = (
                f"cluster_name={postmaster.cluster_name(self.data)}",
                f"unix_socket_directories={sockets}",
                f"port={address.port}",
                f"listen_addresses={loopback}",
            )
            child = spawn(
                [str(programs.server), "-D", data, *(word for option in options for word in ("-c", option))],
                log=self.log,
                env=ENVIRON,
                tie=tie,
                account=programs.account.ids if programs.account else None,
                pass_fds=(*data_fds, *socket_fds),
                cwd=WORK_FOLDER,
            )
        _wait(10.0, lambda: child.poll() is not None or postmaster.find(self.data) is not None)  # others find it now
        return child

    def release(self) -> None:
        """No longer count as a user of the server; it goes on."""
        self._use_lock.release()

    def stop(self, timeout: float = _STOP_SECONDS) -> None:
        """Stop the server, whoever started it; what was committed is kept."""
        self._layout.make_folders()
        with self._start_lock.holding(timeout=_LOCK_SECONDS):
            self._end(timeout)
        self.release()

    def stop_if_unused(self) -> None:
        """Stop the server unless another process is a user of it; who leaves last stops it."""
        self.release()
        alone = FileLock(self._use_lock.path)
        try:
            alone.acquire()
        except LockTaken:
            return
        try:
            self.stop()
        finally:
            alone.release()

    def tidy(self) -> None:
        """After a server that somebody else stopped: leave no folder of ours outside of home."""
        with self._start_lock.holding(timeout=_LOCK_SECONDS):
            if postmaster.find(self.data) is None:
                self._layout.drop_socket_dir()

    def _end(self, timeout: float) -> None:
        found = postmaster.find(self.data)
        for sig, seconds in ((signal.SIGINT, timeout), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            if found is None or not postmaster.serves(found.pid, self.data):
                break
            _kill(found.pid, sig)
            _wait(seconds, lambda: not postmaster.serves(found.pid, self.data))
        if self._child is not None:
            self._child.poll()  # reaps it
        _end_strays(self.data)
        self._layout.drop_socket_dir()


def _end_strays(data: Path) -> None:
    """Wait for PostgreSQL processes that still work in `data`; they end by themselves, or are ended."""
    left = postmaster.all_serving(data)
    for sig, seconds in ((None, 3.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 3.0)):
        for pid in left if sig is not None else ():
            _kill(pid, sig or 0)
        _wait(seconds, lambda: not any(is_alive(pid) for pid in left))  # noqa: B023 - used at once
        left = [pid for pid in left if postmaster.serves(pid, data)]
        if not left:
            return


def _kill(pid: int, sig: int) -> None:
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        return


def _wait(seconds: float, until: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not (reached := until()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return reached
