"""The e-mail account of a workspace. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kapelle.kernel.addresses import normalize_email as normalize_address

if TYPE_CHECKING:
    from datetime import datetime

EMAIL = "email"

__all__ = ["EMAIL", "AccountState", "EmailAccount", "TlsMode", "normalize_address"]


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
