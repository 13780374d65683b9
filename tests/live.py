"""A whole installation run by `kapelle up` in a home of its own, as a user would: for journeys, kills and figures."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READY = "Kapelle is ready at "
_CLI = [sys.executable, "-m", "kapelle.web.cli"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Poll until true; fails with `what` when the time is over."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(0.1)


class Live:
    """One running installation. Nothing of the caller's own KAPELLE_HOME or engines is used."""

    def __init__(self, *, demo: bool = False, **environment: str) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="kapelle-live-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.demo = demo
        outer = {k: v for k, v in os.environ.items() if not k.startswith(("KAPELLE_", "DATABASE_", "CLICKHOUSE_"))}
        self.environment = {**outer, "KAPELLE_HOME": str(self.home), "PORT": str(self.port), **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, seconds: float = 90) -> float:
        """Run `kapelle up`; returns the seconds until it said that it is ready."""
        began = time.monotonic()
        arguments = [*_CLI, "up", *([] if self.demo else ["--no-demo"])]
        # Into a file: a pipe that nobody empties would stop the supervisor in the middle of a word.
        with self._said.open("w") as said:
            self.process = subprocess.Popen(arguments, env=self.environment, stdout=said, stderr=subprocess.STDOUT)
        wait_until(self._said_ready, seconds=seconds, what="ready")
        return time.monotonic() - began

    def _said_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.read_output()
        return READY in self.read_output()

    @property
    def _said(self) -> Path:
        return self.home / "said"

    def read_output(self) -> str:
        """All that it has said since its start."""
        return self._said.read_text() if self._said.exists() else ""

    def stop(self, *, seconds: float = 30) -> int:
        """Ctrl-C; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        if self.process.poll() is None:
            self.process.kill()
            raise AssertionError(f"it did not stop within {seconds} s")
        return self.process.returncode

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def last_words(self, lines: int = 15) -> str:
        """The end of every process's log, for a failed test's report."""
        logs = sorted((self.home / "logs").glob("*.log"))
        ends = [f"== {path.name}\n" + "\n".join(path.read_text().splitlines()[-lines:]) for path in logs]
        return "\n".join([self.read_output()[-3000:], *ends])

    def cli(self, *arguments: str, patience: float = 300) -> str:
        """Run another `kapelle` command beside it; returns what it printed."""
        done = subprocess.run(
            [*_CLI, *arguments], env=self.environment, capture_output=True, text=True, timeout=patience, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def pid(self, process: str) -> int:
        return int((self.home / "run" / f"{process}.pid").read_text())

    def kill(self, process: str) -> bool:
        """SIGKILL, as the kernel's out-of-memory killer would; False if it is not running just now."""
        try:
            os.kill(self.pid(process), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return False
        return True

    def request(
        self, method: str, path: str, body: Any = None, *, key: str = "", basic: str = "", **headers: str
    ) -> tuple[int, Any]:
        """(status, decoded answer) of one request; connection errors are raised."""
        if key:
            headers["Authorization"] = f"Bearer {key}"
        if basic:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{basic}:".encode()).decode()
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, _decode(response.read(), response.headers.get("Content-Type", ""))
        except urllib.error.HTTPError as error:
            return error.code, _decode(error.read(), error.headers.get("Content-Type", ""))


def _decode(body: bytes, content_type: str) -> Any:
    return json.loads(body) if "json" in content_type and body else body


@contextlib.contextmanager
def installation(**options: Any) -> Iterator[Live]:
    """A started installation that is stopped and removed in the end."""
    live = Live(**options)
    try:
        live.start()
        yield live
    except BaseException:
        print(live.last_words())
        raise
    finally:
        live.remove()
