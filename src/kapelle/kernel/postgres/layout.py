"""Names, folders and secrets of the embedded cluster inside KAPELLE_HOME."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from kapelle.kernel.config import Config
    from kapelle.kernel.postgres.account import Account

ROOT = "kapelle_root"
"""Superuser: makes the owner and its database, and is not used after that."""
OWNER = "kapelle_owner"
DATABASE = "kapelle"

_SOCKET_PATH_BYTES = 107  # Linux: sun_path is 108 bytes with its final zero
_PORTS = range(21_000, 31_000)  # below the ports that the system hands out for outgoing connections


@dataclass(frozen=True)
class Address:
    """Where the cluster answers. It stays the same from one start to the next."""

    socket_dir: Path
    port: int
    tied_to: int | None = None
    """The process that the running server ends with, if it was started so."""

    @property
    def socket_file(self) -> Path:
        return self.socket_dir / f".s.PGSQL.{self.port}"

    def url(self, role: str, password: str, database: str) -> str:
        host = quote(str(self.socket_dir), safe="")
        return f"postgresql://{role}:{password}@/{database}?host={host}&port={self.port}"


class Layout:
    """Paths of one home's cluster, and its small files."""

    def __init__(self, config: Config) -> None:
        self.home = config.home
        self.run_dir = config.run_dir
        self.keys_dir = config.keys_dir
        self.data = config.home / "postgres"
        self.scratch = config.home / "postgres.new"
        self.log = config.home / "logs" / "postgres.log"
        self._address_file = config.run_dir / "postgres.json"

    def make_folders(self) -> None:
        for folder in (self.home, self.run_dir, self.keys_dir, self.log.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def password(self, role: str) -> tuple[str, bool]:
        """The role's password and whether it was made by this call."""
        path = self._password_file(role)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text().strip(), False
        text = secrets.token_urlsafe(32)
        with os.fdopen(fd, "w") as file:
            file.write(text + "\n")
        return text, True

    def known_password(self, role: str) -> str | None:
        """The role's password, None when there is none yet."""
        path = self._password_file(role)
        return path.read_text().strip() if path.exists() else None

    def _password_file(self, role: str) -> Path:
        return self.keys_dir / f"postgres-{role.removeprefix('kapelle_')}-password"

    def address(self) -> Address | None:
        """Where the cluster answered when it was last started."""
        try:
            record = json.loads(self._address_file.read_text())
            return Address(Path(record["socket_dir"]), int(record["port"]), record.get("tied_to"))
        except (OSError, ValueError, KeyError):
            return None

    def make_address(self, account: Account | None, tied_to: int | None) -> Address:
        """The recorded address where it still serves, else a new one; its socket folder exists and is private."""
        known = self.address()
        port = known.port if known else free_port()
        uid = account.uid if account else os.geteuid()
        folder = self._socket_dir(known.socket_dir if known else None, port, uid)
        folder.chmod(0o700)
        if account is not None:
            os.chown(folder, *account.ids)
        address = Address(folder, port, tied_to)
        scratch = self._address_file.with_suffix(".new")
        scratch.write_text(json.dumps({"socket_dir": str(folder), "port": port, "tied_to": tied_to}))
        scratch.replace(self._address_file)
        return address

    def _socket_dir(self, known: Path | None, port: int, uid: int) -> Path:
        """`run/pg`, or a short private folder when that path is too long for a unix socket."""
        usual = self.run_dir / "pg"
        if fits_socket(usual / f".s.PGSQL.{port}"):
            usual.mkdir(mode=0o700, exist_ok=True)
            return usual
        if known is not None and known != usual:
            try:
                known.mkdir(mode=0o700)
            except OSError:
                if _is_private(known, {uid, os.geteuid()}):
                    return known
            else:
                return known
        return Path(tempfile.mkdtemp(prefix="kapelle-"))

    def drop_socket_dir(self) -> None:
        """After a stop: do not leave a folder of ours outside of home."""
        address = self.address()
        if address is not None and not address.socket_dir.is_relative_to(self.home):
            shutil.rmtree(address.socket_dir, ignore_errors=True)


def fits_socket(path: Path) -> bool:
    """Whether a unix socket can be made under this path."""
    return len(os.fsencode(path)) <= _SOCKET_PATH_BYTES


def free_port() -> int:
    """A loopback port that nobody uses at this moment."""
    return next((port for port in random.sample(_PORTS, 200) if port_is_free(port)), _PORTS[0])


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    return listen_error(port, host) is None


def listen_error(port: int, host: str) -> OSError | None:
    """Why a server could not listen there now, None if it could."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def _is_private(folder: Path, uids: set[int]) -> bool:
    try:
        facts = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid in uids and stat.S_IMODE(facts.st_mode) == 0o700  # noqa: PLR2004
