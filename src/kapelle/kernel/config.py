"""Where this installation lives and which engines it uses, read once from the environment. Pure: no Django."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from kapelle.kernel.errors import KapelleError

if TYPE_CHECKING:
    from collections.abc import Mapping


_SOCKET_PATH_LIMIT = 100  # the kernel takes 107 bytes; a margin for a suffix


class ConfigInvalid(KapelleError):
    """A setting in the environment cannot be used; the message names it and says what it takes."""

    code = "config_invalid"


@dataclass(frozen=True)
class Config:
    """One installation's settings. `None` for an engine's URL means: run the embedded one."""

    home: Path
    port: int
    host: str
    database_url: str | None
    clickhouse_url: str | None
    clickhouse_cluster: str | None
    public_url: str
    geo_files: str | None
    """Databases of places, ":" between them; None: whatever lies in `home/geo`."""
    collect_rate: int
    """Events a second that one write key may send before the edge answers 429."""
    max_upload_bytes: int
    """The largest file that may come in parts."""
    http_allow: str
    """Hosts inside of private networks, or on unusual ports, that may be called: `minio.lan:9000,10.0.0.5:*`."""

    @cached_property
    def run_dir(self) -> Path:
        """Sockets, process ids and other things that a reboot may lose."""
        return self.home / "run"

    @cached_property
    def sockets_dir(self) -> Path:
        """`run_dir`, or a short private folder if home is too deep for a socket's name."""
        if len(os.fsencode(self.run_dir / "fork.sock")) <= _SOCKET_PATH_LIMIT:
            return self.run_dir
        return Path(tempfile.gettempdir()) / f"kapelle-{sha256(os.fsencode(self.home)).hexdigest()[:16]}"

    @property
    def web_socket(self) -> Path:
        """Where `web` listens behind the edge."""
        return self.sockets_dir / "web.sock"

    @property
    def fork_socket(self) -> Path:
        """Where the process listens that the others are forked from."""
        return self.sockets_dir / "fork.sock"

    def make_sockets_dir(self) -> None:
        """Raises ConfigInvalid if somebody else has made it, who could listen in our place."""
        self.sockets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.sockets_dir.stat().st_uid != os.geteuid():
            raise ConfigInvalid(f"{self.sockets_dir} belongs to someone else; remove it or shorten KAPELLE_HOME.")

    @cached_property
    def keys_dir(self) -> Path:
        """Secrets that must never stand in a database or its backup."""
        return self.home / "keys"

    @cached_property
    def spill_dir(self) -> Path:
        """Events accepted while PostgreSQL was away."""
        return self.home / "spill"

    @property
    def geo_databases(self) -> list[Path]:
        """Files in MaxMind's format that tell the town of an address; the first one's word goes first."""
        if self.geo_files is not None:
            return [Path(name) for name in self.geo_files.split(os.pathsep) if name]
        return sorted((self.home / "geo").glob("*.mmdb"))


def load(environ: Mapping[str, str] | None = None) -> Config:
    """Read the settings; raises ConfigInvalid with the variable's name."""
    env = os.environ if environ is None else environ
    port = _integer(env, "PORT", 8000)
    host = env.get("KAPELLE_HOST") or "127.0.0.1"
    return Config(
        home=Path(env.get("KAPELLE_HOME") or ".kapelle").absolute(),
        port=port,
        host=host,
        database_url=env.get("DATABASE_URL") or None,
        clickhouse_url=env.get("CLICKHOUSE_URL") or None,
        clickhouse_cluster=env.get("CLICKHOUSE_CLUSTER") or None,
        public_url=(env.get("KAPELLE_PUBLIC_URL") or f"http://127.0.0.1:{port}").rstrip("/"),
        geo_files=env.get("KAPELLE_GEO_DATABASES"),
        collect_rate=_integer(env, "KAPELLE_COLLECT_RATE", 100_000),
        max_upload_bytes=_integer(env, "KAPELLE_MAX_UPLOAD_MB", 4096) * 2**20,
        http_allow=_http_allow(env),
    )


def _http_allow(env: Mapping[str, str]) -> str:
    text = env.get("KAPELLE_HTTP_ALLOW") or ""
    for entry in filter(None, (part.strip() for part in text.split(","))):
        host, _, port = entry.rpartition(":")
        if not host or not (port == "*" or port.isdecimal()):
            raise ConfigInvalid(f"KAPELLE_HTTP_ALLOW holds {entry!r}, but an entry is host:port or host:*.")
    return text


def _integer(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise ConfigInvalid(f"{name} is {text!r}, but it must be a whole number from 0 up.")
    return value
