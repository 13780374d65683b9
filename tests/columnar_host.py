"""A real columnar server in its own process and home, and plain HTTP calls to it. For tests of any module."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import clickhouse_connect
import urllib3

from kapelle.kernel import config as kernel_config

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clickhouse_connect.driver.client import Client as Driver

    from kapelle.kernel.config import Config


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer; `raw` is its body as it came."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @classmethod
    def of(cls, method: str, url: str, **options: Any) -> Answer:
        found = urllib3.request(method, url, retries=False, timeout=60, decode_content=False, **options)
        return cls(found.status, found.headers, found.data)

    @property
    def text(self) -> str:
        return self.raw.decode()

    @property
    def code(self) -> int:
        """ClickHouse's error code; 0 without one."""
        return int(self.headers.get("X-ClickHouse-Exception-Code", 0))


@dataclass
class Host:
    """`kapelle columnar` on a home of its own."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Config:
        return kernel_config.load({"KAPELLE_HOME": str(self.home)})

    @property
    def log(self) -> str:
        return (self.home.parent / "columnar.log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def address(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.config.run_dir / "columnar.json").read_text())
        return found

    @property
    def token(self) -> str:
        return (self.config.keys_dir / "columnar-token").read_text()

    def start(self) -> Host:
        environ = {**os.environ, "KAPELLE_COLUMNAR_MEMORY": "1g", **self.environ, "KAPELLE_HOME": str(self.home)}
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home.parent / "columnar.log").open("ab") as log:
            command = [sys.executable, "-m", "kapelle.web.cli", "columnar"]
            self.process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        return self.wait_ready()

    def wait_ready(self, old_port: int = 0) -> Host:
        """Until it answers; with `old_port` until it answers on another one."""
        assert self.process is not None
        for _ in range(600):
            assert self.process.poll() is None, self.log
            try:
                if self.address["port"] != old_port and self.client().command("SELECT 1") == 1:
                    return self
            except Exception:
                pass
            time.sleep(0.05)
        raise AssertionError(self.log)

    def client(self, **options: Any) -> Driver:
        where = self.address
        return clickhouse_connect.get_client(
            host=where["host"],
            port=where["port"],
            username="default",
            password=self.token,
            autogenerate_session_id=False,
            **options,
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.address['port']}/"

    def post(self, sql: Any, *, key: str | None = None, encoding: str = "", **parameters: Any) -> Answer:
        """One call by plain HTTP, parameters in the address."""
        headers = {"X-ClickHouse-Key": self.token if key is None else key}
        if encoding:
            headers["Accept-Encoding"] = encoding
        return Answer.of("POST", f"{self.url}?{urlencode(parameters)}", body=sql, headers=headers)

    def get(self, path: str = "", *, headers: dict[str, str] | None = None) -> Answer:
        return Answer.of("GET", self.url + path, headers=headers)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM; gives the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)
