"""Everything that is not the edge's own goes to `web`, streamed both ways, with who asked in trustworthy headers."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kapelle.edge.client import client_ip, client_scheme
from kapelle.edge.http import ClientGone, answer_problem, header
from kapelle.edge.upstream import Exchange, Upstream, UpstreamAway, request_head
from kapelle.kernel.errors import Unavailable
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kapelle.edge.http import HttpScope, Receive, Send

log = logging.getLogger("kapelle.edge.proxy")

# RFC 9110 7.6.1: these belong to one connection. Expect is answered by the edge itself.
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade expect".split()
)
_OURS = frozenset(
    b"x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port x-forwarded-by forwarded x-real-ip "
    b"x-request-id".split()
)
_RETRY_SECONDS = 2
_REFUSED = 400
_PART_BYTES = 8 * 2**20
_MAX_OFFSET = 15  # digits
_OF_ONE_PART = frozenset({b"content-length", b"upload-offset", b"idempotency-key"})


class Proxy:
    """A plain reverse proxy in front of one upstream."""

    def __init__(self, upstream: Upstream, *, behind_proxy: bool) -> None:
        self._upstream = upstream
        self._behind_proxy = behind_proxy

    async def handle(self, scope: HttpScope, receive: Receive, send: Send) -> int:
        """Pass one request on; returns the status."""
        request_id = str(uuid7()).encode()
        length = header(scope, b"content-length")
        is_chunked = bool(header(scope, b"transfer-encoding"))
        has_body = is_chunked or length not in {b"", b"0"}
        target = scope.get("raw_path") or scope["path"].encode()
        if scope["query_string"]:
            target = target + b"?" + scope["query_string"]
        head = request_head(scope["method"], target, self._request_headers(scope, request_id, is_chunked=is_chunked))
        body = _request_body(receive, is_chunked=is_chunked) if has_body else None
        try:
            exchange = await self._upstream.send(head, body, method=scope["method"])
        except UpstreamAway as error:
            log.warning("web does not answer %s %s: %s", scope["method"], scope["path"], error)
            away = Unavailable("This part of Kapelle is starting or being restarted.", retry_after=_RETRY_SECONDS)
            await answer_problem(send, away, [(b"x-request-id", request_id)])
            return away.status
        # From now on `receive` tells when the client leaves; the request's body, if any, reads from it until its end.
        leaving = None if has_body else asyncio.ensure_future(receive())
        try:
            headers = _response_headers(exchange.headers, request_id)
            await send({"type": "http.response.start", "status": exchange.status, "headers": headers})
            async for chunk in exchange.body():
                if leaving is not None and leaving.done() and leaving.result()["type"] == "http.disconnect":
                    break
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except UpstreamAway as error:
            # The answer has begun: returning without its end makes the server hang up, which tells the client.
            log.warning("web broke off its answer to %s %s: %s", scope["method"], scope["path"], error)
        finally:
            exchange.abandon()  # does nothing after a complete answer
            if leaving is not None:
                leaving.cancel()
        return exchange.status

    async def handle_upload(self, scope: HttpScope, receive: Receive, send: Send) -> int:
        """Pass on a part of a file, however long, as small parts: what has arrived is kept when the client is cut off.

        `web` must have a request's whole body before it looks at it. Returns the status.
        """
        offset = header(scope, b"upload-offset")
        if not offset.isdigit() or len(offset) > _MAX_OFFSET:
            return await self.handle(scope, receive, send)
        request_id, at = str(uuid7()).encode(), int(offset)
        headers = self._request_headers(scope, request_id, is_chunked=False)
        try:
            parts = _parts(receive)
            part = await anext(parts)
            while True:
                exchange = await self._send_part(scope, headers, at, part)
                answer = b"".join([chunk async for chunk in exchange.body()])
                at += len(part)
                following = await anext(parts, None) if exchange.status < _REFUSED else None
                if following is None:
                    break
                part = following
        except UpstreamAway as error:
            log.warning("web does not take a part of %s: %s", scope["path"], error)
            away = Unavailable("The upload can go on in a moment. Ask for its offset.", retry_after=_RETRY_SECONDS)
            await answer_problem(send, away, [(b"x-request-id", request_id)])
            return away.status
        response = _response_headers(exchange.headers, request_id)
        await send({"type": "http.response.start", "status": exchange.status, "headers": response})
        await send({"type": "http.response.body", "body": answer})
        return exchange.status

    async def _send_part(self, scope: HttpScope, headers: list[tuple[bytes, bytes]], at: int, part: bytes) -> Exchange:
        kept = [(name, value) for name, value in headers if name not in _OF_ONE_PART]
        kept += [(b"content-length", b"%d" % len(part)), (b"upload-offset", b"%d" % at)]
        head = request_head(scope["method"], scope.get("raw_path") or scope["path"].encode(), kept)
        return await self._upstream.send(head, _once(part), method=scope["method"])

    def _request_headers(self, scope: HttpScope, request_id: bytes, *, is_chunked: bool) -> list[tuple[bytes, bytes]]:
        dropped = _HOP_BY_HOP | _OURS | _named_in_connection(scope["headers"])
        headers = [(name, value) for name, value in scope["headers"] if name not in dropped]
        headers += [
            (b"x-forwarded-for", client_ip(scope, behind_proxy=self._behind_proxy).encode()),
            (b"x-forwarded-proto", client_scheme(scope, behind_proxy=self._behind_proxy).encode()),
            (b"x-forwarded-host", header(scope, b"host")),
            (b"x-request-id", request_id),
        ]
        if is_chunked:
            headers.append((b"transfer-encoding", b"chunked"))
        return headers


def _response_headers(headers: list[tuple[bytes, bytes]], request_id: bytes) -> list[tuple[bytes, bytes]]:
    dropped = _HOP_BY_HOP | _named_in_connection(headers)
    kept = [(name, value) for name, value in headers if name not in dropped]
    return [*kept, (b"x-request-id", request_id)]


def _named_in_connection(headers: list[tuple[bytes, bytes]]) -> frozenset[bytes]:
    named = (part.strip().lower() for name, value in headers if name == b"connection" for part in value.split(b","))
    return frozenset(named)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _parts(receive: Receive) -> AsyncIterator[bytes]:
    """The body in pieces of a few megabytes, the last maybe empty; of a client that leaves what has come."""
    part, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            if part:
                yield bytes(part)
            raise ClientGone
        part += message.get("body", b"")
        more = message.get("more_body", False)
        if more and len(part) >= _PART_BYTES:
            yield bytes(part)
            part.clear()
    yield bytes(part)


async def _request_body(receive: Receive, *, is_chunked: bool) -> AsyncIterator[bytes]:
    """The body as it goes over the wire. A client that leaves half-way breaks the request off."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        data, more = message.get("body", b""), message.get("more_body", False)
        if data:
            yield b"%x\r\n%b\r\n" % (len(data), data) if is_chunked else data
    if is_chunked:
        yield b"0\r\n\r\n"
