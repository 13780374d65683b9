"""The fence around sending: a restored database must not send again what it has forgotten that it sent.

Each workspace has an epoch, a number kept twice: in its database row and in a file in KAPELLE_HOME/keys, which no
database backup carries. It is raised at every start and stop of a sender and every few seconds of sending. A database
from a backup carries an older number (or a new home none), so they differ and nothing is sent until `arm`.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import connection, transaction

from kapelle.accounts.actions import record_audit
from kapelle.kernel import config as kernel_config
from kapelle.kernel.errors import KapelleError
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.actions import find_unknown_erasures, replay_erasures

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

RAISE_SECONDS = 20.0
_raised: dict[UUID, float] = {}  # when this process last raised a workspace's epoch, on the monotonic clock


class Disarmed(KapelleError):
    """The database and the file do not agree: this may be a restored backup."""

    code = "sending_disarmed"
    status = 409


def check_armed(*, workspace_id: UUID, now: datetime, anew: bool = False) -> None:
    """Raises Disarmed, unless database and file agree. Raises the epoch when it is due, or at once when `anew`.

    Call it before every hand-over, in no transaction: the number must be committed before any mail goes out.
    """
    due = anew or time.monotonic() - _raised.get(workspace_id, -RAISE_SECONDS) >= RAISE_SECONDS
    if not due:
        return
    if anew and workspace_id in find_unknown_erasures():
        raise Disarmed(
            "Sending is off: people who were erased are in this database. Start Kapelle again to erase them."
        )
    with _file(workspace_id) as path:
        known = _read(path)
        stored = _stored(workspace_id)
        if known is None and stored is None:
            known = [0]
        elif known is None or stored not in known:
            raise Disarmed(
                "Sending is off: this database was restored from a backup, or its keys folder is another one. "
                "Look at what was sent since, then run `kapelle campaign arm --workspace …`."
            )
        _raise(workspace_id, path, known[-1], now)
    _raised[workspace_id] = time.monotonic()


def doubt() -> None:
    """The database went away: look again before the next hand-over, it may come back as a restored one."""
    _raised.clear()


def arm(*, workspace_id: UUID, now: datetime, actor: str) -> None:
    """Declare that this database may send: an operator has looked at it. Who was erased since the backup is erased
    again first."""
    replay_erasures(now=now)
    with _file(workspace_id) as path:
        known = max([0, *(_read(path) or []), _stored(workspace_id) or 0])
        _raise(workspace_id, path, known, now)
    with workspace_scope(workspace_id):
        record_audit(actor=actor, action="sending.armed", target=str(workspace_id), now=now)


def _raise(workspace_id: UUID, path: Path, current: int, now: datetime) -> None:
    # Both numbers hold while the database commits, so that a crash in between does not disarm.
    _write(path, [current, current + 1])
    with workspace_scope(workspace_id), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO sending_epochs (id, workspace_id, epoch, changed_at) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (workspace_id) DO UPDATE SET epoch = excluded.epoch, changed_at = excluded.changed_at",
            [uuid7(), workspace_id, current + 1, now],
        )
    _write(path, [current + 1])


def _stored(workspace_id: UUID) -> int | None:
    with workspace_scope(workspace_id), connection.cursor() as cursor:
        cursor.execute("SELECT epoch FROM sending_epochs WHERE workspace_id = %s", [workspace_id])
        row = cursor.fetchone()
    return row[0] if row else None


@contextmanager
def _file(workspace_id: UUID) -> Iterator[Path]:
    """The epoch's file, held against the other senders of this installation."""
    if transaction.get_connection().in_atomic_block:
        raise RuntimeError("the sending epoch must commit on its own: call this outside of a transaction")
    keys = kernel_config.load().keys_dir
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = keys / f"sending-{workspace_id}.json"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path


def _read(path: Path) -> list[int] | None:
    try:
        epochs: list[int] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return epochs


def _write(path: Path, epochs: list[int]) -> None:
    draft = path.with_suffix(".new")
    with draft.open("w") as file:
        json.dump(epochs, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
