"""The collect endpoints: `POST /v1/track` and its siblings, in Segment's forms."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qs

from kapelle.edge.client import request_context
from kapelle.edge.http import JSON, MethodNotAllowed, answer, answer_problem, header, read_body, too_large
from kapelle.edge.keys import KeyRefused, secret_from_header
from kapelle.events.wire import BATCH, EVENT_KINDS, MAX_BODY_BYTES, check_request, pack_row
from kapelle.kernel import faults
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import KapelleError
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from kapelle.edge.http import HttpScope, Receive, Send
    from kapelle.edge.inbox import InboxWriter
    from kapelle.edge.keys import Keyring
    from kapelle.edge.metrics import EdgeMetrics
    from kapelle.edge.rate import RateLimit

KIND_OF_PATH = {f"/v1/{kind}": kind for kind in (*EVENT_KINDS, BATCH)}
KIND_OF_PATH |= {f"/v1/{kind[0]}": kind for kind in ("identify", "track", "page", "screen", "group", "alias", BATCH)}
KIND_OF_PATH["/v1/import"] = BATCH
KIND_OF_PATH["/beacon/v1/batch"] = BATCH

SUCCESS = b'{"success": true}'
ANY_ORIGIN = (b"access-control-allow-origin", b"*")
_SUCCESS_HEADERS = (JSON, ANY_ORIGIN)
_REFUSAL_HEADERS = (ANY_ORIGIN, (b"access-control-expose-headers", b"retry-after"))  # else no browser SDK sees it
_CHALLENGE = (b"www-authenticate", b'Basic realm="write key"')
_USUAL_HEADERS = b"authorization, content-type, content-encoding, anonymousid, sentat, x-requested-with"
_HEADER_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1000}")
_PACKED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")  # gzip, zlib; no JSON begins like that
_ZLIB_OR_GZIP = 47


class MalformedGzip(KapelleError):
    """The body begins like gzip but does not unpack."""

    code: ClassVar[str] = "malformed_gzip"
    status: ClassVar[int] = 400


class Collector:
    """Checks key, form and rate, and answers when the event is safe."""

    def __init__(
        self, *, keyring: Keyring, inbox: InboxWriter, rate: RateLimit, metrics: EdgeMetrics, behind_proxy: bool
    ) -> None:
        self._keyring = keyring
        self._inbox = inbox
        self._rate = rate
        self._metrics = metrics
        self._behind_proxy = behind_proxy

    async def handle(self, kind: str, scope: HttpScope, receive: Receive, send: Send) -> int:
        """Answer one request; returns the status."""
        if scope["method"] == "OPTIONS":
            return await answer_preflight(scope, send)
        try:
            if scope["method"] != "POST":
                raise MethodNotAllowed("Send events with POST.")
            await self.take(kind, scope, unpack(await read_body(scope, receive)))
        except KapelleError as error:
            return await answer_refusal(send, error)
        await answer(send, 200, SUCCESS, _SUCCESS_HEADERS)
        return 200

    async def take(self, kind: str, scope: HttpScope, body: bytes) -> None:
        """Put an unpacked body on the event road; it is safe when this returns. Raises KapelleError."""
        secret = secret_from_header(header(scope, b"authorization"))
        if secret:
            key = await self._keyring.find(secret)  # before the body is looked at: strangers get no work done
            envelope = check_request(kind, body)
        else:
            envelope = check_request(kind, body)
            key = await self._keyring.find(envelope.write_key or secret_from_query(scope["query_string"]))
        self._rate.take((key.workspace_id, key.prefix), envelope.events)
        if not envelope.events:
            return
        row = pack_row(
            key.workspace_id,
            uuid7(),
            kind,
            f"key:{key.prefix}",
            utc_now(),
            request_context(scope, behind_proxy=self._behind_proxy),
            body,
        )
        await self._inbox.submit(row)
        faults.point("edge.before_ack")
        self._metrics.accepted_events.inc(envelope.events)


def unpack(body: bytes) -> bytes:
    """The body, unpacked if it begins like gzip or zlib, whatever its headers say; raises BodyTooLarge for a bomb."""
    if not body.startswith(_PACKED):
        return body
    parts: list[bytes] = []
    room = MAX_BODY_BYTES
    while body.startswith(_PACKED):  # gzip files may stand one after the other
        unpacker = zlib.decompressobj(_ZLIB_OR_GZIP)
        try:
            part = unpacker.decompress(body, room + 1)
        except zlib.error as error:
            raise MalformedGzip(f"The body begins like gzip but cannot be unpacked: {error}.") from error
        room -= len(part)
        if room < 0:
            raise too_large()
        if not unpacker.eof:
            raise MalformedGzip("The body begins like gzip but ends too early.")
        parts.append(part)
        body = unpacker.unused_data
    return b"".join(parts)


def secret_from_query(query: bytes) -> str:
    """The key in `?writeKey=`, "" when there is none."""
    values = parse_qs(query.decode("latin-1")).get("writeKey", [""]) if b"writeKey" in query else [""]
    return values[0]


async def answer_preflight(scope: HttpScope, send: Send) -> int:
    """Any site may send, with the headers that it asks for: SDKs add their own, and no cookie is ever read here."""
    asked = header(scope, b"access-control-request-headers")
    headers = (
        ANY_ORIGIN,
        (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),
        (b"access-control-allow-headers", asked if _HEADER_NAMES.fullmatch(asked) else _USUAL_HEADERS),
        (b"access-control-max-age", b"86400"),
        (b"vary", b"Access-Control-Request-Headers"),
    )
    await answer(send, 204, b"", headers)
    return 204


async def answer_refusal(send: Send, error: KapelleError) -> int:
    """The problem, readable for a browser of any site. SDKs send again after 429 and 5xx, after nothing else."""
    challenge = (_CHALLENGE,) if isinstance(error, KeyRefused) else ()
    error.details["message"] = error.message  # RudderStack's Python SDK would try for ever without it
    await answer_problem(send, error, (*_REFUSAL_HEADERS, *challenge))
    return error.status
