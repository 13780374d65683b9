"""Which addresses may be called: the form of a URL, the allow-list of ports, and what lies inside of networks. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Self

import httpx

from kapelle.kernel.http.errors import UrlRefused

PORTS = frozenset({80, 443, 8080, 8443})
_SCHEMES = {"http": 80, "https": 443}
_MAX_LENGTH = 4096
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
# What the C library takes for an address though it is none of the usual form: 2130706433, 0x7f.1, 0177.0.0.1, 127.1
_ODD_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}\.?", re.IGNORECASE)

# Beyond what `ipaddress` calls not global.
_INSIDE = tuple(
    ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's wire server, a public address that is answered from inside
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.88.99.0/24",  # 6to4 relays
        "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata
        "198.18.0.0/15",  # benchmarks
        "240.0.0.0/4",
        "::/96",  # IPv4-compatible
        "64:ff9b:1::/48",  # local NAT64
        "100::/64",
        "2001::/23",  # Teredo and other protocols
        "2001:db8::/32",
        "2002::/16",  # 6to4: carries any IPv4 address
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
    )
)
_NAT64 = ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Allowance:
    """Hosts that the operator names although inside, or at an unusual port: `minio.lan:9000`, `10.0.0.5:*`."""

    entries: frozenset[tuple[str, int | None]] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `KAPELLE_HTTP_ALLOW`, whose form `kernel.config` has checked."""
        entries: set[tuple[str, int | None]] = set()
        for entry in filter(None, (part.strip() for part in text.split(","))):
            host, _, port = entry.rpartition(":")
            entries.add((host.strip("[]").lower(), None if port == "*" else int(port)))
        return cls(frozenset(entries))

    def covers(self, host: str, port: int) -> bool:
        return (host.lower(), port) in self.entries or (host.lower(), None) in self.entries


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be tried: what it says of its host is checked, what the host resolves to is not yet."""

    url: httpx.URL
    host: str
    port: int


def parse_target(text: str, allowance: Allowance) -> Target:
    """Check the form, scheme, port and host of a URL; raises UrlRefused."""
    if len(text) > _MAX_LENGTH or _FORBIDDEN.search(text):
        raise UrlRefused("The address is too long, or holds spaces, backslashes or control characters.")
    try:
        url = httpx.URL(text)
        host = url.host.rstrip(".").lower()
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise UrlRefused(f"This is not an address that can be called: {error}.") from error
    if url.scheme not in _SCHEMES:
        raise UrlRefused(f"Only http and https addresses can be called, not {url.scheme or 'a bare name'!r}.")
    if url.userinfo:
        raise UrlRefused("A user name or password must not stand in the address. Give it in its own field.")
    if not host:
        raise UrlRefused("The address names no host.")
    port = url.port or _SCHEMES[url.scheme]
    if not allowance.covers(host, port):
        if port not in PORTS:
            raise UrlRefused(
                f"Port {port} may not be called; {', '.join(map(str, sorted(PORTS)))} may. "
                f"The operator can allow {host}:{port} in KAPELLE_HTTP_ALLOW."
            )
        if _ODD_NUMBER.fullmatch(host) and not _is_plain_v4(host):
            raise UrlRefused("A number as the host is only taken in its usual form, such as 203.0.113.7.")
    return Target(url, host, port)


def _is_plain_v4(host: str) -> bool:
    try:
        return str(IPv4Address(host)) == host
    except ValueError:
        return False


def is_public(text: str) -> bool:
    """Whether this address is out in the world: not private, local, shared, reserved or multicast."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    if not address.is_global or address.is_multicast:
        return False
    return not any(address in network for network in _INSIDE if network.version == address.version)
