"""All processes of one installation in one table: a new role is one line here."""

from __future__ import annotations

import http.client
import json
import re
import signal
import sys
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import kapelle
from kapelle.kernel.postgres import Cluster
from kapelle.kernel.processes import ForkServer, Process
from kapelle.kernel.processes.fork_server import IS_SUPPORTED

if TYPE_CHECKING:
    from kapelle.kernel.config import Config

SOURCE = Path(kapelle.__file__).parent

_POSTGRES_ALARMS = re.compile(r"\b(FATAL|PANIC):")  # an ERROR there answers a statement, and its sender tells it
_PROBE_SECONDS = 0.5
_HTTP_OK = 200


def process_table(config: Config, *, demo: bool = True) -> tuple[Process, ...]:
    """What `kapelle up` runs for this configuration; stopping goes from the highest layer to the lowest."""
    cluster = Cluster(config)
    migrated = _Once(config, cluster, "migrate", source=True)
    loaded = _Once(config, cluster, "demo-load", source=False)
    forks = ForkServer(config.fork_socket, _run()) if IS_SUPPORTED else None
    engines, filled = ("columnar", "postgres", "fork-server"), ("postgres", "migrate")
    after = (*filled, "fork-server")
    table = (
        # columnar is started first, because making a PostgreSQL cluster takes a moment
        Process("columnar", _run("columnar"), layer=1, vital=False, reload=False, ready=partial(columnar_ok, config)),
        _postgres(cluster),
        Process("fork-server", _run("fork-server"), layer=2, ready=forks.is_ready if forks else None),
        Process(
            "migrate",
            _run("migrate"),
            engines,
            layer=2,
            born_of=forks,
            restart=False,
            skip=migrated.is_done,
            done=migrated.note,
        ),
        Process(
            "demo-load",
            _run("demo", "load", "--if-empty"),
            after,
            layer=2,
            born_of=forks,
            restart=False,
            skip=loaded.is_done,
            done=loaded.note,
        ),
        Process("projector", _run("worker", "projector"), after, layer=2, born_of=forks),
        Process("columnar-writer", _run("worker", "columnar-writer"), after, layer=2, born_of=forks),
        Process("sweeper", _run("worker", "sweeper"), after, layer=2, born_of=forks),
        Process("sender", _run("worker", "sender"), after, layer=2, born_of=forks),
        Process("jobs", _run("worker", "jobs"), after, layer=2, born_of=forks),
        Process("demo-smtp", _run("demo", "smtp"), after, layer=2, born_of=forks),
        Process("web", _run("web"), after, layer=3, born_of=forks),
        Process("edge", _run("edge"), filled, layer=4, ready=partial(is_serving, config)),
    )
    absent = {
        "columnar": config.clickhouse_url,
        "postgres": config.database_url,
        "fork-server": forks is None,
        "demo-load": not demo,
        "demo-smtp": not demo,
    }
    here = {row.name for row in table if not absent.get(row.name)}
    return tuple(
        replace(row, needs=tuple(name for name in row.needs if name in here)) for row in table if row.name in here
    )


def _postgres(cluster: Cluster) -> Process:
    return Process(
        "postgres",
        launch=cluster.launch,
        ready=cluster.is_running,
        reload=False,
        stop_signal=signal.SIGINT,  # fast shutdown
        kill_signal=signal.SIGQUIT,  # immediate shutdown: it ends its own children
        alarming=_POSTGRES_ALARMS,
    )


def _run(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "kapelle.web.cli", *words)


@dataclass(frozen=True)
class _Once:
    """Remembers in KAPELLE_HOME what was done for this very database (and, if `source`, for this very code)."""

    config: Config
    cluster: Cluster
    name: str
    source: bool

    @property
    def _file(self) -> Path:
        return self.config.home / "done" / self.name

    def _fingerprint(self) -> str | None:
        """None: not known, so it has to be done (a database that is not ours may have been replaced)."""
        identity = None if self.config.database_url else self.cluster.identity()
        if identity is None:
            return None
        return f"{identity} {source_fingerprint(SOURCE)}" if self.source else identity

    def is_done(self) -> bool:
        fingerprint = self._fingerprint()
        return fingerprint is not None and self._file.exists() and self._file.read_text() == fingerprint

    def note(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(self._fingerprint() or "")


def source_fingerprint(folder: Path) -> str:
    """Changes when any Python file under `folder` does: its name, size or time of change. Takes a few milliseconds."""
    digest = sha256()
    for path in sorted(folder.rglob("*.py")):
        try:
            facts = path.stat()
        except OSError:
            continue  # removed while we looked
        digest.update(f"{path} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def probe(host: str, port: int | None, path: str, *, tls: bool = False, timeout: float = _PROBE_SECONDS) -> int:
    """HTTP status of a GET, 0 when nobody answers within `timeout` seconds."""
    kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
    connection = kind(host, port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def local_host(config: Config) -> str:
    """The address by which this machine reaches its own edge."""
    return "127.0.0.1" if config.host in {"", "0.0.0.0"} else config.host  # noqa: S104 - compared, not bound


def is_serving(config: Config) -> bool:
    """Whether the edge says that it can serve."""
    return probe(local_host(config), config.port, "/readyz") == _HTTP_OK


def columnar_ok(config: Config) -> bool:
    """Whether the embedded columnar engine answers."""
    try:
        where = json.loads((config.run_dir / "columnar.json").read_text())
        return probe(where["host"], int(where["port"]), "/ping") == _HTTP_OK
    except (OSError, ValueError, KeyError):
        return False
