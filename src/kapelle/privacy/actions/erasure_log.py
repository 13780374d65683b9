"""The log of erasures outside the database: a backup brings an erased person back, this file takes them out again.

One line of JSON an erasure, in KAPELLE_HOME/keys/erasures.jsonl: ids and keyed hashes, nothing that can be read.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from kapelle.kernel import config as kernel_config

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mark:
    """One tombstone."""

    kind: str
    hash: bytes
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LoggedErasure:
    """One line of the log."""

    id: UUID
    workspace_id: UUID
    at: datetime
    marks: Sequence[Mark]


def log_erasure(entry: LoggedErasure) -> None:
    """Add a line, durable when this returns; one that is there stays the only one of its erasure."""
    path = _path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        if f'"{entry.id}"' in text:
            return
        # A line that a crash cut short was never promised to anybody: it becomes a line of its own and is passed over.
        file.write(("\n" if text and not text.endswith("\n") else "") + json.dumps(_written(entry)) + "\n")
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o600)


def read_log() -> list[LoggedErasure]:
    """All lines, oldest first."""
    try:
        lines = _path().read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [entry for line in lines if (entry := _read(line))]


def _path() -> Path:
    return kernel_config.load().keys_dir / "erasures.jsonl"


def _written(entry: LoggedErasure) -> dict[str, object]:
    marks = [[mark.kind, mark.hash.hex(), mark.reason] for mark in entry.marks]
    return {"id": str(entry.id), "workspace": str(entry.workspace_id), "at": entry.at.isoformat(), "marks": marks}


def _read(line: str) -> LoggedErasure | None:
    try:
        raw = json.loads(line)
        marks = [Mark(kind, bytes.fromhex(text), reason) for kind, text, reason in raw["marks"]]
        return LoggedErasure(UUID(raw["id"]), UUID(raw["workspace"]), datetime.fromisoformat(raw["at"]), marks)
    except (ValueError, KeyError, TypeError):
        return None
