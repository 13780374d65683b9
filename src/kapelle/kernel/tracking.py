"""Signed tokens of tracking links: which send and which link, proved by a short MAC. Pure.

A token carries no address and no URL, so it can neither be guessed nor turned into an open redirect.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

OPEN_LINK = 0
"""The link number of the open pixel; real links count from 1."""

MAX_LINK = 2**32 - 1
TOKEN_LENGTH = 70

_MAC_SIZE = 16
_BODY_SIZE = 36


@dataclass(frozen=True, slots=True)
class Token:
    """What a genuine token says."""

    workspace_id: UUID
    send_id: UUID
    link: int


def make_token(key: bytes, workspace_id: UUID, send_id: UUID, link: int) -> str:
    """The token of one link of one send: 70 characters that are safe in a path. `key`: 32 secret bytes."""
    body = send_id.bytes + workspace_id.bytes + link.to_bytes(4, "big")
    return base64.urlsafe_b64encode(body + _mac(key, body)).decode().rstrip("=")


def read_token(key: bytes, token: str) -> Token | None:
    """What the token says, or None when it was not made with this key."""
    if len(token) != TOKEN_LENGTH:
        return None
    try:
        raw = base64.b64decode(token.encode("ascii") + b"==", altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != token:
        return None  # the last letter has bits to spare: one token has one spelling
    body, mac = raw[:_BODY_SIZE], raw[_BODY_SIZE:]
    if not hmac.compare_digest(mac, _mac(key, body)):
        return None
    return Token(
        workspace_id=UUID(bytes=body[16:32]), send_id=UUID(bytes=body[:16]), link=int.from_bytes(body[32:], "big")
    )


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, b"tracking\0" + body, hashlib.sha256)[:_MAC_SIZE]
