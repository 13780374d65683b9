"""Profiles as they stand in the database: read by id, changed field by field with their source, written back set-wise.

The newest value of a field wins by the time at which it was true, so the order of arrival does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.customers.contracts import PROFILE_TEXTS
from kapelle.events.actions import close_batch
from kapelle.kernel.bulk import bulk_cursor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from kapelle.events.contracts import OpenBatch

TEXT_FIELDS = (*PROFILE_TEXTS, "comment")
FIELDS = (*TEXT_FIELDS, "birth_date", "registered_at")
ATTRIBUTE = "attributes."  # a custom field's name in provenance: "attributes.favorite_size"

_TYPES = dict.fromkeys(TEXT_FIELDS, "text") | {"birth_date": "date", "registered_at": "timestamptz"}
_READ = f"""
SELECT id, {", ".join(FIELDS)}, attributes::text, provenance::text
FROM customers WHERE workspace_id = %b AND id = ANY(%b::uuid[])
"""
_WRITE = f"""
UPDATE customers c SET batch_id = %b, updated_at = %b, attributes = p.attributes::jsonb,
    provenance = p.provenance::jsonb, {", ".join(f"{name} = p.{name}" for name in FIELDS)}
FROM unnest(%b::uuid[], {", ".join(f"%b::{_TYPES[name]}[]" for name in FIELDS)}, %b::text[], %b::text[])
     p (id, {", ".join(FIELDS)}, attributes, provenance)
WHERE c.workspace_id = %b AND c.id = p.id
"""
_COUNT = "SELECT count(*) FROM customers WHERE batch_id = %b"


@dataclass(slots=True)
class Profile:
    """One customer's fields. `before` collects what `offer` replaces: {field: [old value, old provenance]}."""

    id: UUID
    values: dict[str, Any]
    attributes: dict[str, Any]
    provenance: dict[str, list[str]]
    before: dict[str, list[Any]] = field(default_factory=dict)

    def value(self, name: str) -> Any:
        """A standard field, or a custom one by `attributes.<name>`; "" or None if it is not known."""
        return self.attributes.get(name[len(ATTRIBUTE) :]) if name.startswith(ATTRIBUTE) else self.values[name]

    def offer(self, name: str, value: Any, source: str, occurred_at: datetime) -> bool:
        """Take the value unless a newer one is there; of two of one instant the greater wins. True if taken."""
        stamp = self.provenance.get(name)
        if stamp is not None:
            known_at = _moment(stamp[1])
            if known_at > occurred_at or (known_at == occurred_at and _order(self.value(name)) >= _order(value)):
                return False
        self._put(name, value, [source, occurred_at.astimezone(UTC).isoformat()])
        return True

    def take_over(self, loser: Profile) -> None:
        """At a merge: of both profiles' fields the newer ones, and whatever only the loser knows."""
        for name in sorted({*FIELDS, *(ATTRIBUTE + key for key in loser.attributes), *loser.provenance}):
            value, stamp = loser.value(name), loser.provenance.get(name)
            if stamp is not None:
                self.offer(name, value, stamp[0], _moment(stamp[1]))
            elif value not in ("", None) and self.value(name) in ("", None) and name not in self.provenance:
                self._put(name, value, None)

    def _put(self, name: str, value: Any, stamp: list[str] | None) -> None:
        self.before.setdefault(name, [self.value(name), self.provenance.get(name)])
        if not name.startswith(ATTRIBUTE):
            self.values[name] = value
        elif value is None:
            self.attributes.pop(name[len(ATTRIBUTE) :], None)
        else:
            self.attributes[name[len(ATTRIBUTE) :]] = value
        if stamp is not None:
            self.provenance[name] = stamp


def load_profiles(batch: OpenBatch, ids: Iterable[UUID]) -> dict[UUID, Profile]:
    """The profiles of these customers, by id."""
    listed = list(ids)
    if not listed:
        return {}
    width = len(FIELDS) + 1
    return {
        row[0]: Profile(
            id=row[0],
            values=dict(zip(FIELDS, row[1:width], strict=True)),
            attributes=msgspec.json.decode(row[width]),
            provenance=msgspec.json.decode(row[width + 1]),
        )
        for row in bulk_cursor().execute(_READ, [batch.workspace_id, listed], binary=True)
    }


def save_profiles(batch: OpenBatch, profiles: Sequence[Profile]) -> None:
    """Write these profiles back; they carry `batch.id` then."""
    if not profiles:
        return
    values = [[profile.values[name] for profile in profiles] for name in FIELDS]
    attributes = [msgspec.json.encode(profile.attributes).decode() for profile in profiles]
    provenance = [msgspec.json.encode(profile.provenance).decode() for profile in profiles]
    ids = [profile.id for profile in profiles]
    bulk_cursor().execute(_WRITE, [batch.id, batch.now, ids, *values, attributes, provenance, batch.workspace_id])


def close_customers(batch: OpenBatch) -> None:
    """Tell columnar how many customers this batch made or changed. Call once, when all are written."""
    row = bulk_cursor().execute(_COUNT, [batch.id]).fetchone()
    close_batch(batch, {"customers": row[0] if row else 0})


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _order(value: Any) -> str:
    """A total order over values of any type."""
    if value is None or value == "":
        return ""
    return value.isoformat() if isinstance(value, date) else str(msgspec.json.encode(value, order="sorted").decode())
