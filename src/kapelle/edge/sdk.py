"""What SDKs ask for besides collecting: settings before the first event, a place for their metrics, and pixels where
there is no JavaScript. In the forms of Segment and RudderStack, so that a changed host is all that they need."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec

from kapelle.edge.client import client_scheme
from kapelle.edge.collect import ANY_ORIGIN, SUCCESS, answer_preflight, answer_refusal, secret_from_query
from kapelle.edge.http import JSON, MethodNotAllowed, answer, answer_pixel, header, read_body
from kapelle.edge.keys import KeyForbidden, KeyRefused, WriteKey, secret_from_header
from kapelle.events.wire import EVENT_KINDS
from kapelle.kernel.errors import KapelleError, NotFound

if TYPE_CHECKING:
    from kapelle.edge.collect import Collector
    from kapelle.edge.http import HttpScope, Receive, Send
    from kapelle.edge.keys import Keyring

_SETTINGS = re.compile(r"(?:/[\w.-]{1,40}){0,3}/v1/projects/([^/]{1,400})/settings/?")  # a CDN has folders before it
_SOURCE_CONFIG = re.compile(r"/{1,2}sourceConfig/?")
_PIXEL_PATH = re.compile(rf"/(?:v1/pixel|pixel/v1)/({'|'.join(sorted(EVENT_KINDS))})(?:\.gif)?/?")
_METRICS = "/v1/m"
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")
_QUOTED = re.compile(r'"(.*)"')
_MAX_PARTS = 8  # of a dotted name in a pixel's query
_CACHED = (
    JSON,
    ANY_ORIGIN,
    (b"cache-control", b"public, max-age=300"),
    (b"vary", b"Authorization, Origin, Accept-Encoding"),
)


class Question(NamedTuple):
    """Which of the answers is wanted, and the part of the path that matters to it."""

    about: str  # settings, source_config, metrics or pixel
    detail: str = ""  # settings: the write key; pixel: the kind of event


def read_path(path: str) -> Question | None:
    """What this path asks for, None if it is none of ours."""
    if path.startswith(_METRICS) and path.rstrip("/") == _METRICS:
        return Question("metrics")
    if match := _SETTINGS.fullmatch(path):
        return Question("settings", unquote(match[1]))
    if _SOURCE_CONFIG.fullmatch(path):
        return Question("source_config")
    if match := _PIXEL_PATH.fullmatch(path):
        return Question("pixel", match[1])
    return None


class SdkDesk:
    """Answers those questions. Metrics of the SDKs about themselves are thanked for and dropped."""

    def __init__(self, *, keyring: Keyring, collector: Collector, behind_proxy: bool) -> None:
        self._keyring = keyring
        self._collector = collector
        self._behind_proxy = behind_proxy

    async def handle(self, question: Question, scope: HttpScope, receive: Receive, send: Send) -> int:
        """Answer one request; returns the status."""
        if scope["method"] == "OPTIONS":
            return await answer_preflight(scope, send)
        if question.about == "pixel":
            return await self._take_pixel(question.detail, scope, send)
        try:
            if question.about == "metrics":
                return await _drop_metrics(scope, receive, send)
            if scope["method"] not in {"GET", "HEAD"}:
                raise MethodNotAllowed("Ask for settings with GET.")
            found = await (self._settings if question.about == "settings" else self._source_config)(question, scope)
        except KapelleError as error:
            return await answer_refusal(send, error)
        await answer(send, 200, msgspec.json.encode(found), _CACHED)
        return 200

    async def _settings(self, question: Question, scope: HttpScope) -> dict[str, Any]:
        """Segment's: what a browser or a phone loads from the CDN. Names this very host for all that follows."""
        try:
            await self._keyring.find(question.detail)
        except (KeyRefused, KeyForbidden) as error:
            raise NotFound("There is no source with this write key.") from error
        own: dict[str, Any] = {"apiKey": question.detail, "unbundledIntegrations": [], "addBundledMetadata": True}
        host = header(scope, b"host").decode("latin-1")
        if _HOST.fullmatch(host):
            # A secure page can only have come here securely, whatever a proxy in front has made of it.
            secure = header(scope, b"origin").startswith(b"https:")
            scheme = "https" if secure else client_scheme(scope, behind_proxy=self._behind_proxy)
            own |= {"apiHost": f"{host}/v1", "protocol": scheme}
        return {
            "integrations": {"Segment.io": own},
            "plan": {},
            "edgeFunction": {},
            "middlewareSettings": {},
            "enabledMiddleware": {},
            "metrics": {"sampleRate": 0},
            "analyticsNextEnabled": True,
            "legacyVideoPluginsEnabled": False,
            "remotePlugins": [],
        }

    async def _source_config(self, _question: Question, scope: HttpScope) -> dict[str, Any]:
        """RudderStack's: no destinations run in the client, nothing is reported to anybody else."""
        secret = secret_from_query(scope["query_string"]) or secret_from_header(header(scope, b"authorization"))
        if scope["method"] == "HEAD" and not secret:
            return {}  # the browser SDK looks whether a blocker stands in the way
        key: WriteKey = await self._keyring.find(secret)
        source = {
            "id": key.prefix,
            "name": "Kapelle",
            "writeKey": secret,
            "workspaceId": key.prefix,
            "enabled": True,
            "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
            "destinations": [],
            "connections": [],
            "updatedAt": "2026-01-01T00:00:00.000Z",
        }
        return {"source": source, "updatedAt": source["updatedAt"], "isHosted": True}

    async def _take_pixel(self, kind: str, scope: HttpScope, send: Send) -> int:
        """The picture comes in any case, as in both originals; a header says why nothing was kept."""
        problem = ""
        try:
            if scope["method"] not in {"GET", "HEAD"}:
                raise MethodNotAllowed("A pixel is asked for with GET.")
            if scope["method"] == "GET":
                await self._collector.take(kind, scope, read_pixel(scope["query_string"]))
        except KapelleError as error:
            problem = error.code
        await answer_pixel(send, [(b"x-kapelle-refused", problem.encode())] if problem else [])
        return 200


def read_pixel(query: bytes) -> bytes:
    """The event in a pixel's query.

    Segment's `data=` is JSON, bare or in base64; else each parameter is a field, and dots lead into objects, as in
    `properties.price=5`.
    """
    fields = parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="replace")
    for name, value in fields:
        if name == "data":
            return _unwrap(value)
    event: dict[str, Any] = {}
    for name, value in fields:
        whole = _QUOTED.fullmatch(value) if name == "anonymousId" else None
        _put(event, name.split(".", _MAX_PARTS), whole[1] if whole else value)
    return msgspec.json.encode(event)


def _unwrap(data: str) -> bytes:
    if data.lstrip().startswith("{"):
        return data.encode()
    packed = data.strip().replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4))
    except (binascii.Error, ValueError):
        return data.encode()  # no JSON either: refused as that


def _put(event: dict[str, Any], path: list[str], value: str) -> None:
    *folders, name = path
    for folder in folders:
        inner = event.setdefault(folder, {})
        if not isinstance(inner, dict):
            return
        event = inner
    if not isinstance(event.get(name), dict):
        event[name] = value


async def _drop_metrics(scope: HttpScope, receive: Receive, send: Send) -> int:
    if scope["method"] != "POST":
        raise MethodNotAllowed("Metrics come with POST.")
    await read_body(scope, receive)
    await answer(send, 200, SUCCESS, (JSON, ANY_ORIGIN))
    return 200
