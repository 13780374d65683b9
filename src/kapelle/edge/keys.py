"""Who may write: keys from the request, looked up by hash and remembered for at most five seconds."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import logging
import os
import time
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from uuid import UUID

from kapelle.edge.database import DatabaseAway, Link
from kapelle.edge.http import Busy
from kapelle.events.wire import FIND_KEYS_SQL
from kapelle.kernel.errors import KapelleError, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from kapelle.edge.database import Connection

log = logging.getLogger("kapelle.edge.keys")

TRUST_SECONDS = 5.0
"""A revoked key is refused after this at the latest; so is a new key accepted that was tried too early."""

_REFRESH_SECONDS = 2.5
_MAX_KNOWN = 10_000
_MAX_UNKNOWN = 10_000
_MAX_WAITING = 2_000
_RETRY_SECONDS = 2
_MAX_SECRET = 200
_SAVE_SECONDS = 0.2


class KeyRefused(KapelleError):
    """No live key came with the request."""

    code: ClassVar[str] = "unauthenticated"
    status: ClassVar[int] = 401


class KeyForbidden(KapelleError):
    """The key is live but may not collect."""

    code: ClassVar[str] = "forbidden"
    status: ClassVar[int] = 403


class WriteKey(NamedTuple):
    """What the edge knows of a live key."""

    workspace_id: UUID
    prefix: str
    scope: str


def secret_from_header(authorization: bytes) -> str:
    """The key in `Basic base64(key:)` or `Bearer key`; "" when there is none. Basic without the colon is forgiven.

    A bearer with dots is an OAuth token (Segment's SDKs can send one): such clients name the key in the body.
    """
    scheme, _, value = authorization.partition(b" ")
    kind = scheme.lower()
    try:
        if kind == b"basic":
            return base64.b64decode(value.strip() + b"==").partition(b":")[0].decode()
        if kind == b"bearer" and b"." not in value:
            return value.strip().decode()
    except (binascii.Error, UnicodeDecodeError):
        pass
    return ""


class Keyring:
    """The keys that were asked for lately. Bounded, so that a flood of made-up keys fills no memory.

    While PostgreSQL is away the last known live keys go on working; their hashes survive a restart in `file`.
    """

    def __init__(self, link: Link, file: Path) -> None:
        self._link = link
        self._file = file
        self._known: OrderedDict[bytes, tuple[float, WriteKey]] = OrderedDict()
        self._unknown: OrderedDict[bytes, float] = OrderedDict()
        self._waiting: dict[bytes, asyncio.Future[WriteKey | None]] = {}
        self._last_good = _read_file(file)
        self._asking: asyncio.Task[None] | None = None
        self._saving: asyncio.TimerHandle | None = None

    async def find(self, secret: str) -> WriteKey:
        """The live write key with this secret; raises KeyRefused, KeyForbidden, Busy or Unavailable."""
        if not secret or len(secret) > _MAX_SECRET:
            raise KeyRefused("Send a write key: HTTP Basic with the key as user name, or `writeKey` in the body.")
        digest = hashlib.sha256(secret.encode(errors="replace")).digest()
        now = time.monotonic()
        key: WriteKey | None
        if (entry := self._known.get(digest)) is not None and now - entry[0] < TRUST_SECONDS:
            asked_at, key = entry
            if now - asked_at > _REFRESH_SECONDS:
                self._ask(digest)
        elif (refused_at := self._unknown.get(digest)) is not None and now - refused_at < TRUST_SECONDS:
            key = None
        else:
            key = await self._ask(digest)
        if key is None:
            raise KeyRefused("Invalid write key: it is unknown or revoked.")  # mobile SDKs look for these words
        if key.scope == "read":
            raise KeyForbidden("This key may only read; collecting needs a write key.")
        return key

    async def stop(self) -> None:
        """End the look-up that runs and close its connection."""
        if self._asking is not None:
            await asyncio.gather(self._asking, return_exceptions=True)
        if self._saving is not None:
            self._saving.cancel()
            self._save()
        await self._link.close()

    def _ask(self, digest: bytes) -> asyncio.Future[WriteKey | None]:
        future = self._waiting.get(digest)
        if future is None:
            if len(self._waiting) >= _MAX_WAITING and digest not in self._last_good:  # a flood stops no good key
                raise Busy("Too many keys are being looked up. Send this again.", retry_after=_RETRY_SECONDS)
            future = self._waiting[digest] = asyncio.get_running_loop().create_future()
            if self._asking is None:
                self._asking = asyncio.get_running_loop().create_task(self._ask_all())
        return future

    async def _ask_all(self) -> None:
        """One question for all keys that wait, until none waits."""
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, {}
                try:
                    found = await self._link.run(partial(_find, digests=list(waiting)))
                except Exception as error:  # every waiting request must get an answer
                    self._answer_from_memory(waiting, error)
                else:
                    self._learn(waiting, found)
        finally:
            self._asking = None

    def _learn(self, waiting: dict[bytes, asyncio.Future[WriteKey | None]], found: dict[bytes, WriteKey]) -> None:
        now = time.monotonic()
        changed = False
        for digest, future in waiting.items():
            key = found.get(digest)
            if key is None:
                self._known.pop(digest, None)
                _remember(self._unknown, digest, now, _MAX_UNKNOWN)
                changed |= self._last_good.pop(digest, None) is not None
            else:
                self._unknown.pop(digest, None)
                _remember(self._known, digest, (now, key), _MAX_KNOWN)
                changed |= self._last_good.get(digest) != key
                _remember(self._last_good, digest, key, _MAX_KNOWN)
            if not future.done():
                future.set_result(key)
        if changed and self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(_SAVE_SECONDS, self._save)

    def _save(self) -> None:
        self._saving = None
        _write_file(self._file, self._last_good)

    def _answer_from_memory(self, waiting: dict[bytes, asyncio.Future[WriteKey | None]], error: Exception) -> None:
        now = time.monotonic()
        if not isinstance(error, DatabaseAway):
            log.error("keys cannot be looked up: %s", error)
        for digest, future in waiting.items():
            key = self._last_good.get(digest)
            if key is not None:
                _remember(self._known, digest, (now, key), _MAX_KNOWN)
            if future.done():
                continue
            if key is not None:
                future.set_result(key)
            else:
                future.set_exception(
                    Unavailable(
                        "This key cannot be checked at the moment. Send this again.", retry_after=_RETRY_SECONDS
                    )
                )
                future.exception()


async def _find(connection: Connection, digests: list[bytes]) -> dict[bytes, WriteKey]:
    cursor = await connection.execute(FIND_KEYS_SQL, [digests])
    return {bytes(row[0]): WriteKey(row[1], row[2], row[3]) for row in await cursor.fetchall()}


def _remember(memory: OrderedDict[bytes, Any], digest: bytes, value: Any, bound: int) -> None:
    memory[digest] = value
    memory.move_to_end(digest)
    if len(memory) > bound:
        memory.popitem(last=False)


def _read_file(file: Path) -> OrderedDict[bytes, WriteKey]:
    try:
        rows = json.loads(file.read_text())
        return OrderedDict(
            (bytes.fromhex(digest), WriteKey(UUID(workspace), prefix, scope))
            for digest, workspace, prefix, scope in rows
        )
    except (OSError, ValueError, TypeError, LookupError):
        return OrderedDict()


def _write_file(file: Path, keys: OrderedDict[bytes, WriteKey]) -> None:
    rows = [[digest.hex(), str(key.workspace_id), key.prefix, key.scope] for digest, key in keys.items()]
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps(rows))
        draft.chmod(0o600)
        draft.replace(file)
    except OSError as error:
        log.warning("known keys cannot be kept for a restart: %s", error)
