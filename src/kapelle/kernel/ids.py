"""Ids: UUIDv7 (RFC 9562), so that keys sort by the time they were made. Pure."""

from __future__ import annotations

import os
import time
from uuid import UUID

_POOL_SIZE = 4096
_pool = b""
_offset = 0


def uuid7(unix_ms: int | None = None) -> UUID:
    """A new UUIDv7; `unix_ms` sets its time part (milliseconds since 1970), now by default."""
    global _pool, _offset  # noqa: PLW0603  # one read of the kernel's generator serves hundreds of ids on the hot path
    if _offset + 10 > len(_pool):
        _pool, _offset = os.urandom(_POOL_SIZE), 0
    tail = int.from_bytes(_pool[_offset : _offset + 10], "big")
    _offset += 10
    when = time.time_ns() // 1_000_000 if unix_ms is None else unix_ms
    rand_a = tail >> 68  # 12 bits
    rand_b = tail & ((1 << 62) - 1)
    return UUID(int=(when & ((1 << 48) - 1)) << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b)
