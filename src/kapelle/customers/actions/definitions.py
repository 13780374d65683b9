"""The registry of custom fields: the first value seen gives a field its type, values of other types stay out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.customers.actions.traits import NotThisType
from kapelle.customers.models import AttributeDefinition
from kapelle.kernel.timestamps import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kapelle.events.contracts import OpenBatch

MAX_DEFINITIONS = 1_000  # custom fields in a workspace
_TYPES: dict[type, str] = {str: "string", bool: "boolean", int: "number", float: "number", list: "list"}


def ensure_definitions(batch: OpenBatch, first_values: Mapping[str, Any]) -> dict[str, str]:
    """Types of these custom fields, by name; defines those that are new by their first value that is not null.

    A name that is missing in the answer could not be defined: the workspace has MAX_DEFINITIONS already.
    """
    if not first_values:
        return {}
    types = dict(AttributeDefinition.objects.filter(name__in=list(first_values)).values_list("name", "type"))
    new = {name: value for name, value in first_values.items() if name not in types and value is not None}
    if new:
        room = MAX_DEFINITIONS - AttributeDefinition.objects.count()
        rows = [
            AttributeDefinition(
                workspace_id=batch.workspace_id, name=name, type=_TYPES[type(value)], created_at=batch.now
            )
            for name, value in sorted(new.items())[: max(room, 0)]
        ]
        AttributeDefinition.objects.bulk_create(rows)
        types |= {row.name: row.type for row in rows}
    return types


def check_type(value: Any, type_: str | None) -> Any:
    """The value as a field of this type keeps it; None clears any field. Raises NotThisType."""
    if value is None:
        return None
    if type_ is None:
        raise NotThisType(f"the workspace has {MAX_DEFINITIONS} custom fields already")
    if type_ in {"date", "datetime"}:
        moment = parse_timestamp(value)
        if moment is None:
            raise NotThisType(f"it is not a {type_}")
        return moment.date().isoformat() if type_ == "date" else moment.isoformat()
    if _TYPES.get(type(value)) != type_:
        raise NotThisType(f"this custom field is a {type_}")
    return value
