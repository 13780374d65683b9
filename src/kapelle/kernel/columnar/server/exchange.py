"""The bridge between one ASGI request and the thread that serves it: body in, answer out, and the caller's leaving."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from kapelle.kernel.columnar.server.faults import SOCKET_TIMEOUT, EngineFault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Headers = Sequence[tuple[str, str]]

_BUFFER = 8 * 1024 * 1024
_PIECE = 1024 * 1024
_SILENCE = 120.0  # seconds without a byte in or out before the slot is taken back


class Disconnected(Exception):
    """The caller has left; nobody reads the answer."""


class Exchange:
    """One request. `read`, `start`, `write`, `finish` belong to the serving thread; `watch` to the event loop."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._complete = False
        self._room = asyncio.Event()
        self.gone = threading.Event()
        self.started = False
        self._finished = False

    async def watch(self, on_gone: Callable[[], Awaitable[None]]) -> None:
        """Take in the body, then wait for the caller to leave; `on_gone` is awaited when it does."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                if self._finished:
                    return
                self.gone.set()
                with self._changed:
                    self._changed.notify_all()
                await on_gone()
                return
            self._room.clear()
            with self._changed:
                self._pieces.append(message.get("body", b""))
                self._held += len(self._pieces[-1])
                self._complete = not message.get("more_body", False)
                full = self._held > _BUFFER
                self._changed.notify_all()
            if full:
                await self._room.wait()

    def read(self) -> bytes:
        """All that has come since the last call; b"" at the end. Raises Disconnected, or EngineFault after silence."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._held or self._complete or self.gone.is_set(), _SILENCE):
                raise EngineFault(SOCKET_TIMEOUT, f"No data came for {_SILENCE:.0f} seconds")
            if self.gone.is_set() and not self._complete:
                raise Disconnected
            data = b"".join(self._pieces)
            self._pieces.clear()
            self._held = 0
        self._loop.call_soon_threadsafe(self._room.set)
        return data

    def start(self, status: int, headers: Headers) -> None:
        self.started = True
        encoded = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]
        self._put({"type": "http.response.start", "status": status, "headers": encoded})

    def write(self, data: bytes, *, more: bool = True) -> None:
        """Send a part of the body, in pieces: below this the transport copies what it is given more than once."""
        for at in range(0, max(len(data) - _PIECE, 0), _PIECE):
            self._put({"type": "http.response.body", "body": data[at : at + _PIECE], "more_body": True})
        self._finished = not more
        last = (len(data) - 1) // _PIECE * _PIECE if data else 0
        self._put({"type": "http.response.body", "body": data[last:], "more_body": more})

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole answer at once."""
        self.start(status, [*headers, ("Content-Length", str(len(body)))])
        self.write(body, more=False)

    def _put(self, message: Message) -> None:
        if self.gone.is_set():
            raise Disconnected
        sending = asyncio.run_coroutine_threadsafe(self._forward(message), self._loop)
        try:
            sending.result(_SILENCE)
        except TimeoutError:
            sending.cancel()
            raise Disconnected from None

    async def _forward(self, message: Message) -> None:
        await self._send(message)
