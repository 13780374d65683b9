"""The guarded client: httpx, with connections, redirects, size, time and compression kept within bounds. Pure.

Each call has a connection of its own. Proxies and .netrc of the environment are left aside: they would lead around the
guard. Answers of any status come back to the caller; only what kept an answer from coming is raised.
"""

from __future__ import annotations

import logging
import ssl
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import IO, TYPE_CHECKING, Any

import certifi
import httpcore
import httpx
import msgspec

from kapelle.kernel import config as kernel_config
from kapelle.kernel.http.addresses import Allowance, parse_target
from kapelle.kernel.http.errors import (
    AnswerInvalid,
    AnswerTooLarge,
    ConnectFailed,
    HttpError,
    RedirectRefused,
    TimedOut,
)
from kapelle.kernel.http.pinned import Deadline, PinnedBackend, addresses_of, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kapelle.kernel.http.pinned import Resolver

logging.getLogger("httpx").setLevel(logging.WARNING)  # its lines hold whole addresses, with what is signed in them

_PIECE = 64 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)
_SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization", "x-api-key")
_ANY_WINDOW = 32 + zlib.MAX_WBITS  # gzip or zlib, by its head
_AGENT = "Kapelle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one call may take. `max_bytes` counts what comes over the wire and what comes out of its compression."""

    seconds: float = 30.0
    connect_seconds: float = 5.0
    max_bytes: int = 10 * 1024 * 1024
    redirects: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `body` is empty where it went into a file."""

    url: str  # the one that answered, after redirects
    status: int
    headers: httpx.Headers
    body: bytes = b""
    size: int = 0

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004

    def json(self) -> Any:
        """The body as JSON; raises AnswerInvalid."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise AnswerInvalid(f"The answer of {httpx.URL(self.url).host} is not JSON.") from error


class _Transport(httpx.HTTPTransport):
    """httpx's own transport over connections that we make."""

    def __init__(self, backend: PinnedBackend, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.ConnectionPool(ssl_context=context, network_backend=backend, max_keepalive_connections=0)


class GuardedClient:
    """Calls addresses that people gave. Threads may share it."""

    def __init__(
        self,
        *,
        allowance: Allowance = Allowance(),  # noqa: B008
        resolver: Resolver = resolve,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._allowance = allowance
        self._resolver = resolver
        self._ssl = ssl_context or _trusted()

    def check_url(self, url: str) -> None:
        """For a form where an address is entered: raises UrlRefused. What it resolves to is checked at each call."""
        parse_target(url, self._allowance)

    def resolve_host(self, host: str, port: int) -> str:
        """An address of this host that other protocols may connect to; raises AddressRefused, ConnectFailed."""
        return addresses_of(host, port, allowance=self._allowance, resolver=self._resolver)[0]

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | Iterator[bytes] | None = None,
        json: Any = None,
        limits: Limits = Limits(),
    ) -> Answer:
        """Send and read the whole answer. Raises HttpError's kinds; a status of 400 or 500 is an answer."""
        sent = dict(headers or {})
        if json is not None:
            content = msgspec.json.encode(json)
            sent.setdefault("Content-Type", "application/json")
        with self.stream(method, url, headers=sent, content=content, limits=limits) as (answer, pieces):
            body = b"".join(pieces)
        return Answer(url=answer.url, status=answer.status, headers=answer.headers, body=body, size=len(body))

    def download(
        self,
        url: str,
        path: Path,
        *,
        headers: Mapping[str, str] | None = None,
        limits: Limits = Limits(),
    ) -> Answer:
        """Stream a GET into a file, in steady memory. It is written on success only, and removed when that fails."""
        with self.stream("GET", url, headers=headers, limits=limits) as (answer, pieces):
            if not answer.is_success:
                return answer
            try:
                with path.open("wb") as file:
                    size = _copy(pieces, file)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        return Answer(url=answer.url, status=answer.status, headers=answer.headers, size=size)

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | Iterator[bytes] | None = None,
        limits: Limits = Limits(),
    ) -> Iterator[tuple[Answer, Iterator[bytes]]]:
        """The answer's head, and its body piece by piece, uncompressed."""
        deadline = Deadline(limits.seconds)
        sent = {"User-Agent": _AGENT, **(headers or {}), "Accept-Encoding": "gzip"}
        with _said(deadline, url):
            for hop in range(limits.redirects + 1):
                target = parse_target(url, self._allowance)
                with self._opened(method, target.url, sent, content, deadline, limits) as response:
                    if response.status_code not in _REDIRECTS or not limits.redirects:
                        yield _head(response, url), _pieces(response, limits.max_bytes)
                        return
                    following = _next_url(method, target.url, response)
                if hop == limits.redirects:
                    break
                if (following.host, following.port) != (target.url.host, target.url.port):
                    sent = {name: value for name, value in sent.items() if name.lower() not in _SECRET_HEADERS}
                url = str(following)
            raise RedirectRefused(f"The address leads on more than {limits.redirects} times.")

    @contextmanager
    def _opened(
        self,
        method: str,
        url: httpx.URL,
        headers: dict[str, str],
        content: bytes | Iterator[bytes] | None,
        deadline: Deadline,
        limits: Limits,
    ) -> Iterator[httpx.Response]:
        backend = PinnedBackend(
            allowance=self._allowance,
            resolver=self._resolver,
            deadline=deadline,
            connect_seconds=limits.connect_seconds,
        )
        client = httpx.Client(transport=_Transport(backend, self._ssl), trust_env=False, timeout=None)  # noqa: S113  # Deadline
        with client, client.stream(method, url, headers=headers, content=content, follow_redirects=False) as response:
            yield response


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())


@cache
def default_client() -> GuardedClient:
    """The client with what the operator allows in KAPELLE_HTTP_ALLOW."""
    return GuardedClient(allowance=Allowance.parse(kernel_config.load().http_allow))


@contextmanager
def _said(deadline: Deadline, url: str) -> Iterator[None]:
    """Turn what the libraries raise into our errors, and note whether the request had left."""
    try:
        yield
    except HttpError as error:
        error.was_sent = deadline.was_sent
        raise
    except httpx.TimeoutException as error:
        raise _with(TimedOut(f"The address did not answer in {deadline.seconds:g} seconds."), deadline) from error
    except httpx.ConnectError as error:
        raise _with(ConnectFailed(f"No secure connection to {_host(url)}: {error}."), deadline) from error
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise _with(AnswerInvalid(f"{_host(url)} broke off or does not speak HTTP: {error}."), deadline) from error


def _with(error: HttpError, deadline: Deadline) -> HttpError:
    error.was_sent = deadline.was_sent
    return error


def _host(url: str) -> str:
    return httpx.URL(url).host


def _head(response: httpx.Response, url: str) -> Answer:
    return Answer(url=url, status=response.status_code, headers=response.headers)


def _next_url(method: str, url: httpx.URL, response: httpx.Response) -> httpx.URL:
    """Where a redirect leads; its address is checked like any other before it is called."""
    location = response.headers.get("location", "")
    if method not in ("GET", "HEAD") or not location:
        raise RedirectRefused("The address answers with a redirect that cannot be followed.")
    try:
        following = url.join(location)
    except (httpx.InvalidURL, ValueError) as error:
        raise RedirectRefused("The address answers with a redirect to no valid address.") from error
    if url.scheme == "https" and following.scheme != "https":
        raise RedirectRefused("The address leads from https to an insecure one.")
    return following


def _pieces(response: httpx.Response, max_bytes: int) -> Iterator[bytes]:
    """The body, uncompressed in small steps, up to the limit on either side of the compression."""
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    declared = response.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise AnswerTooLarge(_too_large(max_bytes))
    raw = _counted(response.iter_raw(_PIECE), max_bytes)
    if coding in ("", "identity"):
        yield from raw
    elif coding in ("gzip", "x-gzip", "deflate"):
        yield from _counted(_inflated(raw), max_bytes)
    else:
        raise AnswerInvalid(f"The answer is compressed in a way that was not asked for: {coding[:40]}.")


def _counted(pieces: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > max_bytes:
            raise AnswerTooLarge(_too_large(max_bytes))
        yield piece


def _inflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Uncompress without ever holding more than one piece, however much a bomb makes of it."""
    inflater, has_begun = zlib.decompressobj(_ANY_WINDOW), False
    try:
        for piece in pieces:
            left, has_begun = piece, True
            while left:
                yield inflater.decompress(left, _PIECE)
                left = inflater.unconsumed_tail
                if inflater.eof and inflater.unused_data:  # a further gzip member
                    left, inflater = inflater.unused_data, zlib.decompressobj(_ANY_WINDOW)
        yield inflater.flush()
    except zlib.error as error:
        raise AnswerInvalid("The answer's compression is broken.") from error
    if has_begun and not inflater.eof:
        raise AnswerInvalid("The answer broke off inside of its compression.")


def _copy(pieces: Iterator[bytes], file: IO[bytes]) -> int:
    return sum(file.write(piece) for piece in pieces)


def _too_large(max_bytes: int) -> str:
    return f"The answer is larger than {max_bytes:,} bytes."
