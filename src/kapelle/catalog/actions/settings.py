"""Changes the workspace's choices about its catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.accounts.actions import record_audit
from kapelle.catalog.models import CatalogSettings
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


def change_settings(*, workspace_id: UUID, now: datetime, actor: str, **changes: Any) -> None:
    """Set these fields of CatalogSettings; the others stay."""
    if not changes:
        return
    with workspace_scope(workspace_id):
        CatalogSettings.objects.update_or_create(workspace_id=workspace_id, defaults=changes)
        record_audit(actor=actor, action="catalog.settings_changed", target=str(workspace_id), now=now, **changes)
