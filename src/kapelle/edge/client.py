"""Who asks: the client's address as far as it can be believed, and the context that only the edge knows."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import msgspec

from kapelle.edge.http import header

if TYPE_CHECKING:
    from kapelle.edge.http import HttpScope

_MAX_TEXT = 500
_LOCAL = frozenset({"127.0.0.1", "::1", ""})  # "": a unix socket


def client_ip(scope: HttpScope, *, behind_proxy: bool) -> str:
    """The peer's address; behind a trusted proxy on this machine, the last one that the proxy saw."""
    peer = scope["client"][0] if scope.get("client") else ""
    if not behind_proxy or peer not in _LOCAL:
        return str(peer)
    seen = header(scope, b"x-forwarded-for").rpartition(b",")[2].strip().decode("latin-1")
    try:
        return str(ip_address(seen))
    except ValueError:
        return str(peer)


def client_scheme(scope: HttpScope, *, behind_proxy: bool) -> str:
    """http or https, as the client spoke it."""
    if behind_proxy and (not scope.get("client") or scope["client"][0] in _LOCAL):
        said = header(scope, b"x-forwarded-proto").lower()
        if said in {b"http", b"https"}:
            return said.decode()
    return str(scope["scheme"])


def request_context(scope: HttpScope, *, behind_proxy: bool, method: str = "") -> bytes:
    """JSON for the inbox row: ip, user_agent, gpc (Global Privacy Control), dnt, and for tracking hits the method."""
    context: dict[str, object] = {"ip": client_ip(scope, behind_proxy=behind_proxy)}
    for name, value in scope["headers"]:
        if name == b"user-agent":
            context["user_agent"] = value[:_MAX_TEXT].decode("latin-1").replace("\0", "")
        elif name == b"sec-gpc":
            context["gpc"] = value.strip() == b"1"
        elif name == b"dnt" and value.strip() == b"1":
            context["dnt"] = True
    if method:
        context["method"] = method
    return msgspec.json.encode(context)
