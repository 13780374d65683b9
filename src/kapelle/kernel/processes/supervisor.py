"""The loop of `kapelle up`: starts a table of processes in order, keeps them alive, stops them in order."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kapelle.kernel.errors import KapelleError
from kapelle.kernel.processes import logs
from kapelle.kernel.processes.fork_server import adopt_orphans, reap_strangers
from kapelle.kernel.processes.spawn import MARK, Child, find_marked, is_alive, send, spawn
from kapelle.kernel.processes.table import Backoff, Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

_TICK_STARTING = 0.05
_TICK_SERVING = 0.5
_NOT_VITAL_WAIT = 30.0
_GIVE_UP_AFTER = 5
"""Failures in a row, before it was ever ready, after which a vital row ends the whole start."""
_ROTATE_EVERY = 60.0


class StartFailed(KapelleError):
    """Something that all the rest needs could not be started."""

    code = "start_failed"
    status = 503


@dataclass
class _Slot:
    """What is known of one row of the table while it is supervised."""

    process: Process
    log: Path
    pid_file: Path
    follower: logs.Follower
    child: Child | None = None
    started: float = 0.0
    first_started: float = 0.0
    next_start: float = 0.0
    is_ready: bool = False
    was_ready: bool = False
    finished: bool = False
    failures: int = 0
    reloading: bool = False
    backoff: Backoff = field(default_factory=Backoff)

    def satisfied(self, now: float) -> bool:
        """Whether what needs this row may go on."""
        if not self.process.restart:
            return self.finished
        late = self.first_started > 0 and now - self.first_started > _NOT_VITAL_WAIT
        return self.is_ready or (not self.process.vital and late)


class Supervisor:
    """Runs a table of processes until it is told to stop. Use from the main thread: it owns the signal handlers."""

    def __init__(
        self,
        table: Sequence[Process],
        *,
        run_dir: Path,
        logs_dir: Path,
        environ: Mapping[str, str],
        mark: str,
        say: Callable[[str], None],
        on_ready: Callable[[], None],
        stop_within: float = 10.0,
        changed: Callable[[], bool] | None = None,
    ) -> None:
        """`say` takes one line for the console; `changed`, asked each second, makes reloadable rows start again."""
        self._slots = {row.name: self._slot(row, run_dir, logs_dir) for row in table}
        self._environ = {**environ, MARK: mark}
        self._mark = mark
        self._say = say
        self._on_ready = on_ready
        self._stop_within = stop_within
        self._changed = changed
        self._stop_asked = 0
        self._announced = False
        self._next_rotation = self._next_change_check = 0.0

    @staticmethod
    def _slot(row: Process, run_dir: Path, logs_dir: Path) -> _Slot:
        log = logs_dir / f"{row.name}.log"
        return _Slot(row, log, run_dir / f"{row.name}.pid", logs.Follower(log, row.alarming))

    def run(self) -> None:
        """Serve until SIGINT, SIGTERM or SIGHUP; raises StartFailed when it cannot. Nothing of it is left running."""
        with self._signals() as wake:
            try:
                end_leftovers(self._mark)
                adopt_orphans()
                while not self._stop_asked:
                    self._turn()
                    select.select([wake], [], [], _TICK_SERVING if self._announced else _TICK_STARTING)
                    _drain(wake)
            finally:
                self._stop_all(wake)

    @contextmanager
    def _signals(self) -> Iterator[int]:
        """Turn signals into readable bytes, so that a death or Ctrl-C ends a wait at once."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

        def ask_stop(_signum: int, _frame: object) -> None:
            self._stop_asked += 1

        wanted = {signal.SIGINT: ask_stop, signal.SIGTERM: ask_stop, signal.SIGHUP: ask_stop}
        before = {sig: signal.signal(sig, handler) for sig, handler in wanted.items()}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _signum, _frame: None)
        old_wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        try:
            yield reader
        finally:
            signal.set_wakeup_fd(old_wakeup)
            for sig, handler in before.items():
                signal.signal(sig, handler)
            os.close(reader)
            os.close(writer)

    def _turn(self) -> None:
        now = time.monotonic()
        reap_strangers({slot.child.pid for slot in self._slots.values() if slot.child is not None})
        for slot in self._slots.values():
            if self._stop_asked:
                return
            self._watch(slot, now)
            if slot.child is None and not slot.finished and now >= slot.next_start and self._may_start(slot, now):
                self._start(slot)
            self._check_ready(slot)
        if not self._announced and all(slot.satisfied(now) for slot in self._slots.values()):
            self._announced = True
            self._on_ready()
        self._housekeeping(now)

    def _may_start(self, slot: _Slot, now: float) -> bool:
        process = slot.process
        if process.skip is not None and process.skip():
            slot.finished = True
            return False
        return all(self._slots[name].satisfied(now) for name in process.needs)

    def _start(self, slot: _Slot) -> None:
        process = slot.process
        _rotate(slot.log)
        try:
            if process.launch is not None:
                slot.child = process.launch()
            elif process.born_of is not None:
                slot.child = process.born_of.fork(process.argv, slot.log)
            else:
                slot.child = spawn(process.argv, log=slot.log, env=self._environ)
        except (KapelleError, OSError) as error:  # the latter: no space, no memory, no more processes
            # A fork server that has just ended is started again by its own row, or ends the start.
            if not slot.was_ready and process.born_of is None:
                raise
            wait = slot.backoff.after(0.0)
            slot.next_start = time.monotonic() + wait
            why = error.message if isinstance(error, KapelleError) else f"{error}."
            self._say(f"{process.name} cannot be started: {why} Trying again in {wait:.1f} s.")
            return
        slot.started = time.monotonic()
        slot.first_started = slot.first_started or slot.started
        with suppress(OSError):  # on a full disk it runs all the same
            slot.pid_file.write_text(f"{slot.child.pid}\n")

    def _check_ready(self, slot: _Slot) -> None:
        if slot.child is None or slot.is_ready or not slot.process.restart:
            return
        slot.is_ready = slot.process.ready is None or slot.process.ready()
        slot.was_ready = slot.was_ready or slot.is_ready

    def _watch(self, slot: _Slot, now: float) -> None:
        """Notice the end of a child and decide what follows from it."""
        for line in slot.follower.look():
            self._say(f"{slot.process.name}: {line}")
        if slot.child is None or (status := slot.child.poll()) is None:
            return
        slot.child, slot.is_ready = None, False
        slot.pid_file.unlink(missing_ok=True)
        name = slot.process.name
        if slot.reloading:
            slot.reloading, slot.next_start = False, now
        elif slot.process.restart:
            slot.failures += 1
            if slot.process.vital and not slot.was_ready and slot.failures >= _GIVE_UP_AFTER:
                raise StartFailed(self._failure(slot, f"{name} ended {slot.failures} times without becoming ready"))
            wait = slot.backoff.after(now - slot.started)
            slot.next_start = now + wait
            self._say(f"{name} ended ({_status(status)}); starting it again in {wait:.1f} s. Its log: {slot.log}")
        elif status == 0:
            slot.finished = True
            if slot.process.done is not None:
                slot.process.done()
        else:
            raise StartFailed(self._failure(slot, f"{name} failed ({_status(status)})"))

    @staticmethod
    def _failure(slot: _Slot, what: str) -> str:
        text = logs.tail(slot.log)
        return f"{what}, so everything is stopped. The end of {slot.log}:\n{text}" if text else f"{what}: {slot.log}"

    def _housekeeping(self, now: float) -> None:
        if now >= self._next_rotation:
            self._next_rotation = now + _ROTATE_EVERY
            for slot in self._slots.values():
                _rotate(slot.log)
        if self._changed is not None and now >= self._next_change_check:
            self._next_change_check = now + 1.0
            if self._changed():
                self._say("the source changed: starting the processes again")
                for slot in self._slots.values():
                    if slot.child is not None and slot.process.restart and slot.process.reload:
                        slot.reloading = True
                        send(slot.child, slot.process.stop_signal)

    def _stop_all(self, wake: int) -> None:
        """Stop layer by layer from the top; whoever takes too long is killed, and so is all at a second Ctrl-C."""
        deadline = time.monotonic() + self._stop_within - 0.5
        layers = sorted({slot.process.layer for slot in self._slots.values()}, reverse=True)
        for below, layer in zip(range(len(layers) - 1, -1, -1), layers, strict=True):
            running = [slot for slot in self._slots.values() if slot.process.layer == layer and slot.child is not None]
            for slot in running:
                self._signal(slot, slot.process.stop_signal)
            left = deadline - time.monotonic()
            self._await_end(running, max(0.2, left - below * min(1.5, self._stop_within / 8)), wake)
        end_leftovers(self._mark, patience=0.0)

    def _await_end(self, slots: list[_Slot], seconds: float, wake: int) -> None:
        killed = False
        until = time.monotonic() + seconds
        while running := [slot for slot in slots if slot.child is not None and slot.child.poll() is None]:
            if not killed and (self._stop_asked > 1 or time.monotonic() >= until):
                killed, until = True, time.monotonic() + 2.0
                for slot in running:
                    self._say(f"{slot.process.name} is killed: it did not stop in time.")
                    self._signal(slot, slot.process.kill_signal)
            elif killed and time.monotonic() >= until:
                until += 2.0
                for slot in running:
                    self._signal(slot, signal.SIGKILL)
            select.select([wake], [], [], 0.05)
            _drain(wake)
        for slot in slots:
            slot.pid_file.unlink(missing_ok=True)

    @staticmethod
    def _signal(slot: _Slot, sig: int) -> None:
        if slot.child is not None:
            send(slot.child, sig)


def end_leftovers(mark: str, *, patience: float = 5.0) -> None:
    """End what an earlier supervisor of the same home (or a child, at its own end) has left running."""
    left = find_marked(mark)
    for sig, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 2.0)):
        until = time.monotonic() + seconds
        if seconds > 0:
            for pid in left:
                try:
                    os.kill(pid, sig)
                except ProcessLookupError:
                    continue
        while (left := [pid for pid in left if is_alive(pid)]) and time.monotonic() < until:
            time.sleep(0.02)


def _rotate(log: Path) -> None:
    with suppress(OSError):  # without space for the copy it has to grow on
        logs.rotate(log)


def _status(status: int) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"


def _drain(fd: int) -> None:
    try:
        while os.read(fd, 4096):
            pass
    except BlockingIOError:
        return
