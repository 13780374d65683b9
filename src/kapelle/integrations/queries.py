"""Reads of operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.integrations.contracts import Answer, Definition, OperationInfo
from kapelle.integrations.models import OperationVersion
from kapelle.kernel.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_OPERATIONS = 500


def get_operation(name: str) -> OperationInfo:
    """The newest version; raises NotFound."""
    row = OperationVersion.objects.filter(name=name).order_by("-version").first()
    if row is None or row.definition is None:
        raise NotFound(f"There is no operation {name!r} in this workspace.")
    return _info(row)


def list_operations() -> list[OperationInfo]:
    """The newest version of each, by name."""
    rows = OperationVersion.objects.order_by("name", "-version").distinct("name")[:MAX_OPERATIONS]
    return [_info(row) for row in rows if row.definition is not None]


def _definition(stored: Mapping[str, Any]) -> Definition:
    return Definition(
        writes=tuple(stored.get("writes", ())),
        require=tuple(stored.get("require", ())),
        ids=dict(stored.get("ids", {})),
        answer=Answer(stored.get("answer", Answer.CUSTOMER)),
        description=stored.get("description", ""),
    )


def _info(row: OperationVersion) -> OperationInfo:
    return OperationInfo(
        name=row.name,
        version=row.version,
        definition=_definition(row.definition or {}),
        changed_at=row.changed_at,
        changed_by=row.changed_by,
    )
