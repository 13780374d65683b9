"""Saving a workspace's e-mail account."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kapelle.accounts.actions import record_audit
from kapelle.channels.email.contracts import EMAIL, TlsMode, normalize_address
from kapelle.channels.email.models import ChannelAccount
from kapelle.channels.email.queries import KEK_NAME, password_aad
from kapelle.kernel import config as kernel_config
from kapelle.kernel.crypto import encrypt
from kapelle.kernel.errors import Invalid
from kapelle.kernel.secrets import secret_bytes
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

MAX_PORT = 65535
MAX_POOL = 50


def save_account(
    *,
    workspace_id: UUID,
    host: str,
    port: int,
    from_address: str,
    now: datetime,
    actor: str,
    tls: TlsMode = TlsMode.STARTTLS,
    username: str = "",
    password: str | None = None,
    from_name: str = "",
    reply_to: str = "",
    pool_size: int = 4,
    rate_per_second: int = 0,
    tracking_url: str = "",
    ca_file: str = "",
) -> None:
    """Create or replace the account. `password` None keeps the one there is. Raises Invalid, AddressInvalid."""
    _check(host, port, pool_size, rate_per_second, tracking_url, ca_file)
    if any(char in "\r\n" for char in from_name):
        raise Invalid("from_name must be one line.")
    if tls is TlsMode.NONE and (username or password) and host not in {"127.0.0.1", "::1", "localhost"}:
        raise Invalid("A password would travel unencrypted. Set tls to starttls or tls.")
    with workspace_scope(workspace_id):
        row = ChannelAccount.objects.filter(channel=EMAIL).first() or ChannelAccount(channel=EMAIL)
        row.host, row.port, row.tls, row.username = host.strip(), port, tls, username
        if password is not None:
            kek = secret_bytes(kernel_config.load(), KEK_NAME)
            row.password = encrypt(kek, password.encode(), aad=password_aad(row)) if password else b""
        row.from_address = normalize_address(from_address)
        row.reply_to = normalize_address(reply_to) if reply_to else ""
        row.from_name, row.pool_size, row.rate_per_second = from_name.strip(), pool_size, rate_per_second
        row.tracking_url, row.ca_file, row.updated_at = tracking_url.rstrip("/"), ca_file, now
        row.last_error, row.last_error_at = "", None
        row.save()
        record_audit(actor=actor, action="channel.email.saved", target=str(row.id), now=now, host=row.host, port=port)


def note_trouble(*, workspace_id: UUID, problem: str, now: datetime) -> None:
    """Keep what the sender could not do with the account, for people to see; "" clears it."""
    with workspace_scope(workspace_id):
        ChannelAccount.objects.filter(channel=EMAIL).exclude(last_error=problem).update(
            last_error=problem, last_error_at=now if problem else None
        )


def _check(host: str, port: int, pool_size: int, rate: int, tracking_url: str, ca_file: str) -> None:
    if not host.strip() or any(char.isspace() for char in host.strip()):
        raise Invalid("host must be the name or address of an SMTP server.")
    if not 1 <= port <= MAX_PORT:
        raise Invalid("port must be from 1 to 65535; submission is 587, TLS from the start is 465.")
    if not 1 <= pool_size <= MAX_POOL:
        raise Invalid(f"pool_size must be from 1 to {MAX_POOL} connections.")
    if rate < 0:
        raise Invalid("rate_per_second must be 0 (no limit) or more.")
    if tracking_url:
        parts = urlsplit(tracking_url)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
            raise Invalid("tracking_url must look like https://links.example.com.")
    if ca_file and not Path(ca_file).is_file():
        raise Invalid(f"ca_file {ca_file!r} is not a file on this machine.")
