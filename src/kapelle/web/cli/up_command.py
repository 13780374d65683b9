"""`kapelle up`: everything on this machine, in the foreground, until Ctrl-C."""

from __future__ import annotations

import errno
import json
import os
import queue
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from kapelle.kernel import config as kernel_config
from kapelle.kernel.errors import Conflict
from kapelle.kernel.postgres import Cluster, check_external
from kapelle.kernel.postgres.layout import free_port, listen_error
from kapelle.kernel.processes import FileLock, LockTaken, Process, Supervisor
from kapelle.web.cli.process_table import SOURCE, process_table, source_fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kapelle.kernel.config import Config

STOP_SECONDS = 10.0


class CannotStart(Conflict):
    """Something else already has what `kapelle up` needs."""

    code = "cannot_start"


@click.command()
@click.option("--reload", is_flag=True, help="Start processes again when the source changes.")
@click.option("--demo/--no-demo", default=True, show_default=True, help="Keep the demo workspace and its mail server.")
def command(reload: bool, demo: bool) -> None:  # click passes options by name
    """Start everything on this machine and keep it running."""
    config = kernel_config.load()
    if config.port == 0:
        config = replace(config, port=free_port())
    run(config, process_table(config, demo=demo), reload=reload)


def run(config: Config, table: Sequence[Process], *, reload: bool = False) -> None:
    """Supervise a table until told to stop; raises a KapelleError, before anything is started, when it cannot."""
    for folder in (config.home, config.run_dir, config.keys_dir, config.home / "logs"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(config.run_dir / "up.lock")
    console = Console()
    _take(lock, config)
    try:
        refuse_taken_port(config)
        if config.database_url:
            check_external(config.database_url)
        supervisor = Supervisor(
            table,
            run_dir=config.run_dir,
            logs_dir=config.home / "logs",
            environ={**os.environ, **_environ(config)},
            mark=str(config.home),
            say=console.say,
            on_ready=partial(announce, config),
            stop_within=STOP_SECONDS,
            changed=_watch_source(SOURCE) if reload else None,
        )
        try:
            supervisor.run()
        finally:
            if not config.database_url:
                Cluster(config).tidy()
    finally:
        console.finish()
        lock.release()


def _take(lock: FileLock, config: Config) -> None:
    try:
        lock.acquire(timeout=0.5)
    except LockTaken:
        raise CannotStart(
            f"Kapelle already runs on {config.home}. Stop it first, or give this one another KAPELLE_HOME and PORT."
        ) from None


def refuse_taken_port(config: Config) -> None:
    """Raise CannotStart when nobody can listen on the port."""
    error = listen_error(config.port, config.host)
    if error is None:
        return
    taken = error.errno == errno.EADDRINUSE
    why = "is taken by another program; stop that program" if taken else f"cannot be used ({error.strerror}); mend that"
    raise CannotStart(
        f"Port {config.port} on {config.host} {why}, or choose another, for example: PORT={config.port + 10} kapelle up"
    )


def _environ(config: Config) -> dict[str, str]:
    """Children find the same installation from wherever they are."""
    return {"KAPELLE_HOME": str(config.home), "PORT": str(config.port), "PYTHONUNBUFFERED": "1"}


def announce(config: Config) -> None:
    """The address, and the demo's keys if there is a demo."""
    lines = [f"Kapelle is ready at http://127.0.0.1:{config.port}"]
    with suppress(OSError, ValueError):
        keys = json.loads((config.keys_dir / "demo-keys.json").read_text())
        lines += [f"{label} key of the demo workspace: {keys[name]}" for name, label in _KEYS.items() if name in keys]
    with suppress(OSError):  # the terminal may be gone; Kapelle goes on
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()


_KEYS = {"write": "Write", "admin": "Admin"}


class Console:
    """Says lines from a thread of its own: a terminal that was stopped, or a pipe that nobody empties, must not keep
    the supervisor from restarting what died. What finds no room is left out; the logs have it."""

    def __init__(self) -> None:
        self._lines: queue.Queue[str] = queue.Queue(maxsize=1_000)
        threading.Thread(target=self._run, name="console", daemon=True).start()

    def say(self, line: str) -> None:
        """Returns at once."""
        with suppress(queue.Full):
            self._lines.put_nowait(line)

    def finish(self, seconds: float = 1.0) -> None:
        """Give the last lines a moment to come out."""
        end = time.monotonic() + seconds
        while self._lines.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.01)

    def _run(self) -> None:
        while True:
            line = self._lines.get()
            with suppress(OSError):  # the terminal may be gone; Kapelle goes on
                sys.stderr.write(f"kapelle: {line}\n")
                sys.stderr.flush()
            self._lines.task_done()


def _watch_source(folder: Path) -> Callable[[], bool]:
    """A question that is answered with True once after each change."""
    seen = [source_fingerprint(folder)]

    def changed() -> bool:
        before, seen[0] = seen[0], source_fingerprint(folder)
        return before != seen[0]

    return changed
