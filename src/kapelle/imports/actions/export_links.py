"""Links that download an export without a key: signed, and good until they expire."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.core import signing

from kapelle.accounts.actions import record_audit
from kapelle.imports.contracts import ExportStatus
from kapelle.imports.queries.exporting import find_export
from kapelle.kernel import config as kernel_config
from kapelle.kernel.errors import Conflict, NotFound
from kapelle.kernel.secrets import secret_text
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from kapelle.imports.models import ExportJob

_GOOD_FOR = timedelta(hours=24)
_SALT = "kapelle.exports"


def make_link(*, workspace_id: UUID, export_id: UUID, now: datetime, actor: str) -> tuple[str, datetime]:
    """The link and the moment at which it expires; raises NotFound, Conflict while there is no file."""
    with workspace_scope(workspace_id):
        row = find_export(export_id)
        require_file(row)
        expires_at = min(now + _GOOD_FOR, row.expires_at or now)
        record_audit(actor=actor, action="export.link", target=str(export_id), now=now, until=expires_at.isoformat())
    content = [workspace_id.hex, export_id.hex, int(expires_at.timestamp())]
    token = signing.dumps(content, key=_key(), salt=_SALT)
    return f"{kernel_config.load().public_url}/d/{token}", expires_at


def read_link(token: str, *, now: datetime) -> tuple[UUID, UUID]:
    """The workspace and the export that a link opens; raises NotFound."""
    try:
        workspace, export, until = signing.loads(token, key=_key(), salt=_SALT)
    except signing.BadSignature as error:
        raise NotFound("This link is not one of ours.") from error
    if now.timestamp() >= until:
        raise NotFound("This link has expired. Ask for a new one.")
    return UUID(workspace), UUID(export)


def require_file(row: ExportJob) -> None:
    """Raises Conflict while the export has no file, or no more."""
    if row.status != ExportStatus.DONE:
        raise Conflict(f"The export is {row.status}; there is no file to download.")


def _key() -> str:
    return secret_text(kernel_config.load(), "exports")
