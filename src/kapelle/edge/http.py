"""The few words of ASGI that the edge speaks: headers in, answers and problem details out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from typing import Any, ClassVar

import msgspec

from kapelle.events.wire import MAX_BODY_BYTES, BodyTooLarge
from kapelle.kernel.errors import KapelleError

HttpScope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")
NO_STORE = (b"cache-control", b"no-store")
_DISCARD_SECONDS = 10
_PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")


class Busy(KapelleError):
    """More comes in than may be taken; the client should send again later. `retry_after`: seconds."""

    code: ClassVar[str] = "rate_limited"
    status: ClassVar[int] = 429


class MethodNotAllowed(KapelleError):
    """The path exists, but not for this method."""

    code: ClassVar[str] = "method_not_allowed"
    status: ClassVar[int] = 405


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


def header(scope: HttpScope, name: bytes) -> bytes:
    """The first header of this (lower-case) name, b"" when it is absent."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


async def read_body(scope: HttpScope, receive: Receive) -> bytes:
    """The whole body as it came; raises BodyTooLarge when it is over the limit, after the rest was thrown away."""
    announced = header(scope, b"content-length")
    if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
        if header(scope, b"expect").lower() != b"100-continue":  # who waits for our word has sent nothing yet
            await _discard(receive)
        raise too_large()
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if message["type"] == "http.disconnect":
            raise ClientGone
        if len(body) > MAX_BODY_BYTES:
            raise too_large()
        return body
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            if message.get("more_body"):
                await _discard(receive)
            raise too_large()
        parts.append(part)
    return b"".join(parts)


async def _discard(receive: Receive) -> None:
    """Read the rest and keep nothing: a connection closed over unread bytes is reset, and the answer lost with it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_SECONDS):
            while (await receive()).get("more_body"):
                pass


def too_large() -> BodyTooLarge:
    """The error for a request over the limit, packed or unpacked."""
    return BodyTooLarge(f"A request may have {MAX_BODY_BYTES} bytes, unpacked. Send it in parts.")


async def answer(send: Send, status: int, body: bytes, headers: Headers = (JSON,)) -> None:
    """Send a complete answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def answer_pixel(send: Send, headers: Headers = ()) -> None:
    """Send a picture of one clear pixel that no cache keeps."""
    kept_nowhere = (b"cache-control", b"no-store, no-cache, must-revalidate, private, max-age=0")
    await answer(send, 200, _PIXEL, ((b"content-type", b"image/gif"), kept_nowhere, *headers))


async def answer_problem(send: Send, error: KapelleError, headers: Headers = ()) -> None:
    """Send RFC 9457 problem details; `retry_after` among the error's details becomes the header too."""
    body = msgspec.json.encode(
        {"type": "about:blank", "title": error.message, "status": error.status, "code": error.code, **error.details}
    )
    extra = [(b"content-type", b"application/problem+json"), *headers]
    if "retry_after" in error.details:
        extra.append((b"retry-after", str(error.details["retry_after"]).encode()))
    await answer(send, error.status, body, extra)
