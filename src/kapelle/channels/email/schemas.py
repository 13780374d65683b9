"""The e-mail account on the wire. The password goes in, never out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from ninja import Schema
from pydantic import Field

from kapelle.channels.email.contracts import AccountState, TlsMode

Name = Annotated[str, Field(max_length=200)]
Address = Annotated[str, Field(max_length=254)]
Path = Annotated[str, Field(max_length=500)]


class AccountIn(Schema):
    """`password` left out keeps the one there is."""

    host: Address
    port: int = 587
    tls: TlsMode = TlsMode.STARTTLS
    username: Address = ""
    password: Annotated[str, Field(max_length=1_000)] | None = None
    from_address: Address
    from_name: Name = ""
    reply_to: Address = ""
    pool_size: int = 4
    rate_per_second: Annotated[int, Field(ge=0, le=100_000)] = 0
    tracking_url: Address = ""
    ca_file: Path = ""


class AccountOut(Schema):
    """The account without its password."""

    host: str
    port: int
    tls: TlsMode
    username: str
    has_password: bool
    from_address: str
    from_name: str
    reply_to: str
    pool_size: int
    rate_per_second: int
    tracking_url: str
    ca_file: str
    updated_at: datetime
    last_error: str
    last_error_at: datetime | None

    @classmethod
    def of(cls, state: AccountState) -> AccountOut:
        """From the module's own form."""
        account = state.account
        return cls(
            host=account.host,
            port=account.port,
            tls=account.tls,
            username=account.username,
            has_password=state.has_password,
            from_address=account.from_address,
            from_name=account.from_name,
            reply_to=account.reply_to,
            pool_size=account.pool_size,
            rate_per_second=account.rate_per_second,
            tracking_url=account.tracking_url,
            ca_file=account.ca_file,
            updated_at=state.updated_at,
            last_error=state.last_error,
            last_error_at=state.last_error_at,
        )
