"""The e-mail account of a workspace, and e-mail addresses made comparable. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import idna

from kapelle.channels.contracts import AddressInvalid

if TYPE_CHECKING:
    from datetime import datetime

EMAIL = "email"
MAX_ADDRESS = 254
MAX_LOCAL = 64
_LOCAL = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x20\x7f]+")
_ASCII_DOMAIN = re.compile(
    r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)


class TlsMode(StrEnum):
    """How the line is encrypted. The server's certificate is always verified."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class EmailAccount:
    """Where and as whom a workspace sends. Never give this to a reader: it holds the password."""

    host: str
    port: int
    tls: TlsMode
    username: str
    password: str
    from_address: str
    from_name: str
    reply_to: str
    pool_size: int  # connections of one sender process
    rate_per_second: int  # mails of one sender process; 0 is no limit
    tracking_url: str  # base of tracking and unsubscription links; "" is the installation's public address
    ca_file: str  # "" verifies against the system's authorities


@dataclass(frozen=True, slots=True)
class AccountState:
    """The account as people may see it: no password, and the last trouble that the sender had with it."""

    account: EmailAccount
    has_password: bool
    updated_at: datetime
    last_error: str
    last_error_at: datetime | None


def normalize_address(text: str) -> str:
    """Lower case, domain in ASCII (IDNA); raises AddressInvalid with what is wrong."""
    address = text.strip().lower()
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain:
        raise AddressInvalid(f"{text!r} is no e-mail address: it needs one @ between a name and a domain.")
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError as error:
            raise AddressInvalid(f"{text!r} has a domain that does not exist: {error}.") from error
    if not _LOCAL.fullmatch(local) or ".." in local or local.startswith(".") or local.endswith("."):
        raise AddressInvalid(f"{text!r} has characters before the @ that cannot be sent to.")
    if not _ASCII_DOMAIN.fullmatch(domain):
        raise AddressInvalid(f"{text!r} has a domain that does not exist.")
    if len(local.encode()) > MAX_LOCAL or len(local.encode()) + 1 + len(domain) > MAX_ADDRESS:
        raise AddressInvalid(f"{text!r} is too long for an e-mail address.")
    return f"{local}@{domain}"
