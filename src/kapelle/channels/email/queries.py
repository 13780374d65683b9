"""Reads of e-mail accounts."""

from __future__ import annotations

from kapelle.channels.contracts import AccountMissing
from kapelle.channels.email.contracts import EMAIL, AccountState, EmailAccount, TlsMode
from kapelle.channels.email.models import ChannelAccount
from kapelle.kernel import config as kernel_config
from kapelle.kernel.crypto import decrypt
from kapelle.kernel.secrets import secret_bytes

KEK_NAME = "kek"


def password_aad(row: ChannelAccount) -> str:
    """What a sealed password is bound to."""
    return f"channel_accounts:{row.workspace_id}:{row.id}:password"


def get_account() -> EmailAccount:
    """The account with its password, for the sender only; raises AccountMissing."""
    return _account(_row(), with_password=True)


def get_account_state() -> AccountState:
    """The account as people may see it; raises AccountMissing."""
    row = _row()
    return AccountState(
        account=_account(row, with_password=False),
        has_password=bool(row.password),
        updated_at=row.updated_at,
        last_error=row.last_error,
        last_error_at=row.last_error_at,
    )


def has_account() -> bool:
    """Whether the open scope's workspace can send e-mail at all."""
    return ChannelAccount.objects.filter(channel=EMAIL).exists()


def _row() -> ChannelAccount:
    row = ChannelAccount.objects.filter(channel=EMAIL).first()
    if row is None:
        raise AccountMissing("There is no e-mail account yet. PUT /api/v1/channels/email says which server to use.")
    return row


def _account(row: ChannelAccount, *, with_password: bool) -> EmailAccount:
    password = ""
    if with_password and row.password:
        kek = secret_bytes(kernel_config.load(), KEK_NAME)
        password = decrypt(kek, bytes(row.password), aad=password_aad(row)).decode()
    return EmailAccount(
        host=row.host,
        port=row.port,
        tls=TlsMode(row.tls),
        username=row.username,
        password=password,
        from_address=row.from_address,
        from_name=row.from_name,
        reply_to=row.reply_to,
        pool_size=row.pool_size,
        rate_per_second=row.rate_per_second,
        tracking_url=row.tracking_url,
        ca_file=row.ca_file,
    )
