"""An HTTP/1.1 client for one neighbour, just enough for a reverse proxy: pooled, streaming both ways."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import httptools

from kapelle.edge.http import ClientGone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

_READ_BYTES = 64 * 1024
_CONNECT_SECONDS = 2.0
_MAX_IDLE = 32
_MAX_IDLE_SECONDS = 20.0
_HEAD_BYTES = 128 * 1024
_WITHOUT_BODY = frozenset({204, 304})


class UpstreamAway(Exception):
    """The neighbour cannot be reached, or hung up before it answered."""


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.idle_since = 0.0
        self.is_reused = False

    def is_usable(self) -> bool:
        fresh = time.monotonic() - self.idle_since < _MAX_IDLE_SECONDS
        return fresh and not self.reader.at_eof() and not self.writer.is_closing()

    def close(self) -> None:
        self.writer.close()


class Upstream:
    """The pool of connections to the neighbour at `address`: a socket's path, or HOST:PORT."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._idle: list[_Connection] = []

    async def send(self, head: bytes, body: AsyncIterator[bytes] | None, *, method: str) -> Exchange:
        """Send a request and read the head of its answer; raises UpstreamAway.

        `head`: request line and headers with the empty line. `body`: the wire bytes after it, already chunked if the
        head says so. A connection that was closed while it lay idle is replaced once, if nothing can have happened.
        """
        while True:
            connection = await self._take()
            exchange = Exchange(self, connection, method)
            try:
                await exchange.start(head, body)
            except UpstreamAway:
                exchange.abandon()
                if connection.is_reused and body is None and method in {"GET", "HEAD"}:
                    continue
                raise
            except BaseException:
                exchange.abandon()
                raise
            return exchange

    def give_back(self, connection: _Connection) -> None:
        """Keep a connection whose exchange is complete."""
        if len(self._idle) < _MAX_IDLE and not connection.writer.is_closing():
            connection.idle_since = time.monotonic()
            connection.is_reused = True
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close what lies idle."""
        while self._idle:
            self._idle.pop().close()

    async def _take(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.close()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                if "/" in self._address:
                    streams = await asyncio.open_unix_connection(self._address, limit=_READ_BYTES)
                else:
                    host, _, port = self._address.rpartition(":")
                    streams = await asyncio.open_connection(host.strip("[]"), int(port), limit=_READ_BYTES)
        except (OSError, TimeoutError) as error:
            raise UpstreamAway(f"nobody answers at {self._address}: {error}") from error
        return _Connection(*streams)


class Exchange:
    """One request and its answer on one connection; also the parser's set of callbacks."""

    def __init__(self, pool: Upstream, connection: _Connection, method: str) -> None:
        self._pool = pool
        self._connection = connection
        self._method = method
        self._sender: asyncio.Task[None] | None = None
        self._chunks: list[bytes] = []
        self._has_head = False
        self._is_complete = False
        self._is_kept_open = False
        self._is_over = False
        self.headers: list[tuple[bytes, bytes]] = []
        self.parser = httptools.HttpResponseParser(self)

    @property
    def status(self) -> int:
        """The answer's status code."""
        return int(self.parser.get_status_code())

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:  # trailers are dropped
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        self._is_complete = True
        self._is_kept_open = self.parser.should_keep_alive()  # asked later, the parser may have forgotten

    async def start(self, head: bytes, body: AsyncIterator[bytes] | None) -> None:
        self._connection.writer.write(head)
        if body is not None:
            # Beside the reading: the neighbour may refuse before it has read everything.
            self._sender = asyncio.get_running_loop().create_task(self._send(body))
        read = 0
        while not self._has_head:
            read += await self._feed()
            if read > _HEAD_BYTES:
                raise UpstreamAway("its headers have no end")

    async def body(self) -> AsyncIterator[bytes]:
        """The answer's body; in the end the connection goes back to the pool."""
        if self._method == "HEAD" or self.status in _WITHOUT_BODY:
            self.finish(reusable=self._is_kept_open)
            return
        while True:
            chunks, self._chunks = self._chunks, []
            for chunk in chunks:
                yield chunk
            if self._is_complete:
                break
            await self._feed()
        self.finish(reusable=self._is_kept_open)

    def finish(self, *, reusable: bool) -> None:
        if self._is_over:
            return
        if not reusable or (self._sender is not None and not self._sender.done()):
            self.abandon()
            return
        self._is_over = True
        self._pool.give_back(self._connection)

    def abandon(self) -> None:
        """Give up: what is half done cannot be used again."""
        if self._is_over:
            return
        self._is_over = True
        if self._sender is not None:
            self._sender.cancel()
        self._connection.close()

    async def _feed(self) -> int:
        try:
            data = await self._connection.reader.read(_READ_BYTES)
        except OSError as error:
            raise UpstreamAway(str(error)) from error
        if not data:
            if self._has_head and not self._is_framed():
                self._is_complete = True  # a body that ends with its connection
                self._connection.close()
                return 0
            raise UpstreamAway("it hung up before its answer was complete")
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise UpstreamAway(f"it does not speak HTTP: {error}") from error
        return len(data)

    def _is_framed(self) -> bool:
        return any(name in {b"content-length", b"transfer-encoding"} for name, _ in self.headers)

    async def _send(self, body: AsyncIterator[bytes]) -> None:
        try:
            async for data in body:
                self._connection.writer.write(data)
                await self._connection.writer.drain()
        except OSError:
            return  # the reading side sees the same end, perhaps with an answer before it
        except ClientGone:
            self._connection.close()  # the neighbour must not wait for the rest


def request_head(method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Request line, headers and the empty line as they go over the wire."""
    lines = [b"%b %b HTTP/1.1" % (method.encode(), target), *(b"%b: %b" % pair for pair in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n"
