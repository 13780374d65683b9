"""The unprivileged system user that PostgreSQL runs as when Kapelle itself runs as root (PostgreSQL refuses root)."""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kapelle.kernel.errors import KapelleError

USER = "kapelle"
_ADMIN_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
_NOLOGIN = "/usr/sbin/nologin"
_HIGHEST_SYSTEM_ID = 999


class AccountUnusable(KapelleError):
    """No user could be found or made for PostgreSQL to run as."""

    code = "postgres_account"
    status = 503


@dataclass(frozen=True)
class Account:
    """Whom PostgreSQL runs as."""

    uid: int
    gid: int

    @property
    def ids(self) -> tuple[int, int]:
        return self.uid, self.gid

    def own(self, path: Path) -> None:
        """Give it `path` and, for a folder, all that is in it."""
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                os.chown(Path(folder) / name, self.uid, self.gid, follow_symlinks=False)


def account_for(data: Path) -> Account | None:
    """None: run as ourselves. As root: the owner of the data, or else our own system user, made if need be."""
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if owner not in {None, os.geteuid()}:
            raise AccountUnusable(f"{data} belongs to user {owner}; run Kapelle as that user or as root.")
        return None
    if owner:
        return Account(owner, data.stat().st_gid)
    return ensure_user()


def ensure_user(name: str = USER) -> Account:
    """The system user `name`, made by whatever this machine has for that."""
    for make in (_use_existing, _useradd, _adduser, write_by_hand):
        make(name)
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid == 0:
            raise AccountUnusable(f"The user {name} is root under another name; PostgreSQL refuses to run as root.")
        return Account(entry.pw_uid, entry.pw_gid)
    raise AccountUnusable(f"No system user {name} could be made; create it, or run Kapelle as an ordinary user.")


def _use_existing(_name: str) -> None:
    """Nothing to make: the usual case."""


def _useradd(name: str) -> None:
    options = ("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", _NOLOGIN)
    _run("useradd", *options, name)


def _adduser(name: str) -> None:
    """BusyBox's form."""
    _run("adduser", "-S", "-D", "-H", "-h", "/nonexistent", "-s", _NOLOGIN, name)


def _run(tool: str, *arguments: str) -> None:
    path = shutil.which(tool, path=_ADMIN_PATH)
    if path is not None:
        subprocess.run([path, *arguments], check=False, capture_output=True)  # noqa: S603 - fixed words


def write_by_hand(name: str, etc: Path = Path("/etc")) -> None:
    """Append a locked user and group to the account files, under the lock that the usual tools take."""
    users = {entry.pw_uid for entry in pwd.getpwall()}
    groups = {entry.gr_gid for entry in grp.getgrall()}
    free = next((n for n in range(_HIGHEST_SYSTEM_ID, 100, -1) if n not in users and n not in groups), None)
    if free is None:
        return
    with (etc / ".pwd.lock").open("a") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        _append(etc / "group", f"{name}:x:{free}:")
        _append(etc / "passwd", f"{name}:!:{free}:{free}:Kapelle:/nonexistent:{_NOLOGIN}")


def _append(path: Path, line: str) -> None:
    text = path.read_text() if path.exists() else ""
    with path.open("a") as file:
        file.write(("" if not text or text.endswith("\n") else "\n") + line + "\n")
