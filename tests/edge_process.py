"""One real edge process and a small HTTP client for it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from live import free_port, wait_until

TRACK = {"type": "track", "event": "Product Viewed", "userId": "u-1"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class EdgeProcess:
    """`kapelle edge` on a free port; `environment` goes over the caller's own."""

    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(default_factory=lambda: Path(tempfile.mkstemp(prefix="edge-log-")[1]))

    def start(self) -> None:
        self.port = free_port()
        self.process = self.spawn()
        wait_until(self._is_alive, seconds=20, what="the edge answers /healthz")

    def spawn(self) -> Any:
        """The new process; not yet ready."""
        environment = {**os.environ, **self.environment, "PORT": str(self.port), "PYTHONUNBUFFERED": "1"}
        with self.log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "kapelle.web.cli", "edge"], env=environment, stdout=output, stderr=output
            )

    def _is_alive(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.request("GET", "/healthz").status == 200
        except OSError:
            return False

    def request(
        self, method: str, path: str, body: Any = None, *, key: str = "", headers: dict[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own. `key` goes as Basic; a body that is not bytes goes as JSON."""
        sent = dict(headers or {})
        if key:
            sent["Authorization"] = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=data, headers=sent)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def post(self, path: str, body: Any, *, key: str = "", headers: dict[str, str] | None = None) -> Answer:
        return self.request("POST", path, body, key=key, headers=headers)

    def stop(self, *, seconds: float = 8) -> float:
        """SIGTERM; returns the seconds until it was gone. Fails if it did not end by itself with status 0."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=seconds) == 0, self.log.read_text()
        return time.monotonic() - began

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self.log.unlink(missing_ok=True)
