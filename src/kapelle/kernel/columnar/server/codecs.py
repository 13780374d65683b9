"""Compression of request and answer bodies, piece by piece: none, gzip, deflate, lz4 (frame), zstd."""

from __future__ import annotations

import sys
import zlib
from typing import Any, Protocol

import lz4.frame  # type: ignore[import-untyped]

from kapelle.kernel.columnar.server.faults import NOT_IMPLEMENTED, EngineFault

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP_WINDOW = 31
# In the order this server prefers: on loopback the cheapest wins.
OFFERED = ("lz4", "zstd", "gzip", "deflate")


class Packer(Protocol):
    """Compresses a stream: feed it pieces, then take the end."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class Unpacker(Protocol):
    """Decompresses a stream."""

    def decompress(self, data: bytes, /) -> bytes: ...


class _Plain:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def decompress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


class _Lz4Packer:
    """LZ4 frames need their header first; python-lz4 leaves that to the caller."""

    def __init__(self) -> None:
        self._inner = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def compress(self, data: bytes, /) -> bytes:
        head = self._begin()
        return head + bytes(self._inner.compress(data))

    def flush(self) -> bytes:
        head = self._begin()
        return head + bytes(self._inner.flush())

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return bytes(self._inner.begin())


class _FrameUnpacker:
    """lz4 and zstd bodies may hold several frames one after another (clickhouse-connect sends one a block)."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._inner = self._fresh()

    def _fresh(self) -> Any:
        return lz4.frame.LZ4FrameDecompressor() if self._encoding == "lz4" else zstd.ZstdDecompressor()

    def decompress(self, data: bytes, /) -> bytes:
        pieces = []
        while data:
            if self._inner.eof:
                self._inner = self._fresh()
            pieces.append(self._inner.decompress(data))
            data = (self._inner.unused_data or b"") if self._inner.eof else b""
        return b"".join(pieces)


def choose(accept: str) -> str | None:
    """Pick an encoding that the caller's Accept-Encoding names; None for a plain answer."""
    wanted = {
        part.split(";")[0].strip().lower() for part in accept.split(",") if "q=0" not in part.replace(" ", "")[-4:]
    }
    return next((name for name in OFFERED if name in wanted), None)


def packer(encoding: str | None) -> Packer:
    """Compressor for an encoding that `choose` gave."""
    match encoding:
        case "gzip":
            return zlib.compressobj(level=1, wbits=_GZIP_WINDOW)
        case "deflate":
            return zlib.compressobj(level=1)
        case "lz4":
            return _Lz4Packer()
        case "zstd":
            return zstd.ZstdCompressor(level=1)
        case _:
            return _Plain()


def unpacker(encoding: str) -> Unpacker:
    """Decompressor for a request's Content-Encoding; raises EngineFault 48 for one not known here."""
    match encoding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip":
            return zlib.decompressobj(_GZIP_WINDOW)
        case "deflate":
            return zlib.decompressobj()
        case "lz4" | "zstd":
            return _FrameUnpacker(encoding.strip().lower())
        case _:
            raise EngineFault(NOT_IMPLEMENTED, f"Content-Encoding {encoding!r} is not supported")
