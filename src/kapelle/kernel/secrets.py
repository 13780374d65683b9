"""Secrets of the installation: random files in KAPELLE_HOME/keys, made on first use. Never in the database. Pure."""

from __future__ import annotations

import base64
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kapelle.kernel.config import Config

_SIZE = 32


def secret_bytes(config: Config, name: str) -> bytes:
    """The 32 random bytes kept under this name; the same for every process of the installation."""
    path = config.keys_dir / name
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    config.keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.urandom(_SIZE))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # atomic and never over an existing file: two first starts agree on one secret
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_bytes()


def secret_text(config: Config, name: str) -> str:
    """The same secret as text."""
    return base64.urlsafe_b64encode(secret_bytes(config, name)).decode().rstrip("=")
