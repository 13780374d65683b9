"""Connects to an address that was checked, and to no other, under one deadline for the whole call. Pure.

httpcore asks this backend for a connection to the URL's host. The host is resolved here, once; all its addresses are
checked; the socket goes to one of these very addresses. The name still decides the Host header, SNI and certificate.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import httpcore

from kapelle.kernel.http.addresses import is_public
from kapelle.kernel.http.errors import AddressRefused, ConnectFailed, TimedOut

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from kapelle.kernel.http.addresses import Allowance

    Resolver = Callable[[str, int], list[str]]

_NO_TIME = "The address did not answer in {:g} seconds."


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host, in the system's order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def addresses_of(host: str, port: int, *, allowance: Allowance, resolver: Resolver) -> list[str]:
    """Where a host may be called; raises ConnectFailed, AddressRefused."""
    try:
        addresses = resolver(host, port)
    except (OSError, UnicodeError) as error:
        raise ConnectFailed(f"The name {host} is not known.") from error
    if not addresses:
        raise ConnectFailed(f"The name {host} has no address.")
    # One bad address spoils the name: an attacker's answer would mix it with a good one.
    if not allowance.covers(host, port) and not all(map(is_public, addresses)):
        raise AddressRefused(
            f"{host} is an address inside of a private or local network, which may not be called. "
            f"The operator can allow {host}:{port} in KAPELLE_HTTP_ALLOW."
        )
    return addresses


class Deadline:
    """The moment when a call must be over, and whether a byte of it has left."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.was_sent = False
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that remain; raises TimedOut at the end."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimedOut(_NO_TIME.format(self.seconds))
        return left


class PinnedBackend(httpcore.NetworkBackend):
    """Makes the connections of one call."""

    def __init__(self, *, allowance: Allowance, resolver: Resolver, deadline: Deadline, connect_seconds: float) -> None:
        self._allowance = allowance
        self._resolver = resolver
        self._deadline = deadline
        self._connect_seconds = connect_seconds
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception | None = None
        name = host.rstrip(".")
        for address in addresses_of(name, port, allowance=self._allowance, resolver=self._resolver):
            seconds = min(self._deadline.left(), self._connect_seconds)
            try:
                return _Stream(self._sockets.connect_tcp(address, port, timeout=seconds), self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        self._deadline.left()
        raise ConnectFailed(f"{host} cannot be reached at port {port}.") from failure


class _Stream(httpcore.NetworkStream):
    """A connection whose every read and write ends with the call's deadline."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._deadline.was_sent = True
        self._inner.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = self._deadline.left()
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, seconds), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
