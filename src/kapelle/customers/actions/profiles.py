"""Profiles: what was told under each identifier (a facet), and what all of it says about a customer (the fold).

The newest value of a field wins by the time at which it was true, so neither the order of arrival nor that of merges
matters, and a customer who is taken apart again gets back exactly what was told under their own identifiers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec

from kapelle.customers.contracts import BOT, BY_ADDRESS, FIRSTS, MAIN_COLUMNS, PERSONAL, PLACES, PROFILE_TEXTS
from kapelle.events.actions import close_batch
from kapelle.kernel.bulk import bulk_cursor, columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from kapelle.customers.contracts import IdentityRules
    from kapelle.events.contracts import OpenBatch

TEXT_FIELDS = (*PROFILE_TEXTS, "comment")
FIELDS = (*TEXT_FIELDS, "birth_date", "registered_at")
ATTRIBUTE = "attributes."  # a custom field's name in provenance: "attributes.favorite_size"

Stamp = list[str]  # [source, time at which it was true]

_TYPES = dict.fromkeys(TEXT_FIELDS, "text") | {"birth_date": "date", "registered_at": "timestamptz"}
_READ = f"""
SELECT id, {", ".join(FIELDS)}, attributes::text, provenance::text
FROM customers WHERE workspace_id = %b AND id = ANY(%b::uuid[])
"""
_WRITE = f"""
UPDATE customers c SET batch_id = %b, updated_at = %b, attributes = p.attributes::jsonb,
    provenance = p.provenance::jsonb, is_identified = coalesce(p.is_identified, c.is_identified),
    linked_until = coalesce(p.linked_until, c.linked_until), {", ".join(f"{name} = p.{name}" for name in FIELDS)}
FROM unnest(%b::uuid[], {", ".join(f"%b::{_TYPES[name]}[]" for name in FIELDS)}, %b::text[], %b::text[], %b::bool[],
            %b::timestamptz[])
     p (id, {", ".join(FIELDS)}, attributes, provenance, is_identified, linked_until)
WHERE c.workspace_id = %b AND c.id = p.id
"""
_CREATE = f"""
INSERT INTO customers (workspace_id, batch_id, updated_at, id, created_at, is_identified, linked_until, attributes,
                       provenance, {", ".join(TEXT_FIELDS)})
SELECT %b, %b, %b, id, created_at, is_identified, linked_until, '{{}}', '{{}}'{", ''" * len(TEXT_FIELDS)}
FROM unnest(%b::uuid[], %b::timestamptz[], %b::bool[], %b::timestamptz[])
     c (id, created_at, is_identified, linked_until)
"""
_READ_FACETS = "SELECT id, facet::text FROM identifiers WHERE workspace_id = %b AND id = ANY(%b::uuid[])"
_WRITE_FACETS = """
UPDATE identifiers i SET facet = f.facet::jsonb FROM unnest(%b::uuid[], %b::text[]) f (id, facet)
WHERE i.workspace_id = %b AND i.id = f.id
"""
_READ_FOLD = """
SELECT customer_id, kind, value, source, first_seen_at, facet::text FROM identifiers
WHERE workspace_id = %b AND customer_id = ANY(%b::uuid[]) ORDER BY first_seen_at, id
"""
_COUNT = """
SELECT (SELECT count(*) FROM customers WHERE batch_id = %b),
       (SELECT count(*) FROM identifiers WHERE batch_id = %b AND is_origin AND is_moved)
"""


class NewCustomer(NamedTuple):
    """A row to be written; its profile is empty yet."""

    id: UUID
    created_at: datetime
    is_identified: bool
    linked_until: datetime | None


@dataclass(slots=True)
class Facet:
    """What was told under one identifier: {field: [value as JSON has it, source, time]}."""

    id: UUID
    entries: dict[str, list[Any]]

    def says(self, name: str, value: Any) -> bool:
        """Whether the field has this value."""
        return name in self.entries and bool(self.entries[name][0] == plain(value))

    def offer(self, name: str, value: Any, source: str, occurred_at: datetime) -> bool:
        """Take the value unless one goes before it: a newer one; of two of one instant, the greater. True if taken."""
        known, told = self.entries.get(name), plain(value)
        if known is not None and not _goes_before(name, told, source, occurred_at, known):
            return False
        self.entries[name] = [told, source, _stamp(occurred_at)]
        return True


@dataclass(slots=True)
class Profile:
    """One customer's fields. `before` collects what was replaced: {field: [old value, old provenance]}."""

    id: UUID
    values: dict[str, Any]
    attributes: dict[str, Any]
    provenance: dict[str, Stamp]
    before: dict[str, list[Any]] = field(default_factory=dict)
    is_identified: bool | None = None  # None: as it is
    linked_until: datetime | None = None  # the same

    @classmethod
    def empty(cls, customer_id: UUID) -> Self:
        """Of a customer of whom nothing is known."""
        values = {**dict.fromkeys(TEXT_FIELDS, ""), "birth_date": None, "registered_at": None}
        return cls(customer_id, values, {}, {})

    def value(self, name: str) -> Any:
        """A standard field, or a custom one by `attributes.<name>`; "" or None if it is not known."""
        return self.attributes.get(name[len(ATTRIBUTE) :]) if name.startswith(ATTRIBUTE) else self.values[name]

    def says(self, name: str, value: Any) -> bool:
        """Whether the field has this value."""
        return name in self.provenance and bool(plain(self.value(name)) == plain(value))

    def offer(self, name: str, value: Any, source: str, occurred_at: datetime) -> bool:
        """As `Facet.offer`."""
        known = self.provenance.get(name)
        if known is not None and not _goes_before(
            name, plain(value), source, occurred_at, [plain(self.value(name)), *known]
        ):
            return False
        self.before.setdefault(name, [self.value(name), known])
        self.put(name, value, [source, _stamp(occurred_at)])
        return True

    def put(self, name: str, value: Any, stamp: Stamp) -> None:
        """Set the value, whatever was there."""
        if not name.startswith(ATTRIBUTE):
            self.values[name] = value
        elif value is None:
            self.attributes.pop(name[len(ATTRIBUTE) :], None)
        else:
            self.attributes[name[len(ATTRIBUTE) :]] = value
        self.provenance[name] = stamp


def create_customers(batch: OpenBatch, rows: Sequence[NewCustomer]) -> None:
    """Store customers whose founding identifiers are being stored too."""
    if rows:
        bulk_cursor().execute(_CREATE, [batch.workspace_id, batch.id, batch.now, *columns(rows, 4)])


def load_profiles(workspace_id: UUID, ids: Iterable[UUID]) -> dict[UUID, Profile]:
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
        for row in bulk_cursor().execute(_READ, [workspace_id, listed], binary=True)
    }


def save_profiles(batch: OpenBatch, profiles: Sequence[Profile]) -> None:
    """Write these profiles back; they carry `batch.id` then."""
    if not profiles:
        return
    values = [[profile.values[name] for profile in profiles] for name in FIELDS]
    attributes = [_json(profile.attributes) for profile in profiles]
    provenance = [_json(profile.provenance) for profile in profiles]
    ids = [profile.id for profile in profiles]
    identity = columns([(profile.is_identified, profile.linked_until) for profile in profiles], 2)
    bulk_cursor().execute(
        _WRITE, [batch.id, batch.now, ids, *values, attributes, provenance, *identity, batch.workspace_id]
    )


def load_facets(workspace_id: UUID, origins: Iterable[UUID]) -> dict[UUID, Facet]:
    """What was told under these identifiers, by their ids."""
    listed = list(origins)
    if not listed:
        return {}
    rows = bulk_cursor().execute(_READ_FACETS, [workspace_id, listed], binary=True)
    return {row[0]: Facet(row[0], msgspec.json.decode(row[1]) if row[1] else {}) for row in rows}


def save_facets(batch: OpenBatch, facets: Sequence[Facet]) -> None:
    """Write these facets back; what they say must be offered to the customers' profiles too."""
    if facets:
        ids, texts = (
            [facet.id for facet in facets],
            [_json(facet.entries) if facet.entries else None for facet in facets],
        )
        bulk_cursor().execute(_WRITE_FACETS, [ids, texts, batch.workspace_id])


def refold(
    batch: OpenBatch,
    customer_ids: Iterable[UUID],
    rules: IdentityRules,
    linked_until: Mapping[UUID, datetime | None] = MappingProxyType({}),
) -> dict[UUID, dict[str, list[Any]]]:
    """Work out these customers' profiles anew of all their facets; gives what changed, {field: [old value, stamp]}."""
    old = load_profiles(batch.workspace_id, set(customer_ids))
    if not old:
        return {}
    folds = {customer_id: _Fold(customer_id, rules) for customer_id in old}
    for customer_id, *row in bulk_cursor().execute(
        _READ_FOLD, [batch.workspace_id, list(old)], prepare=True, binary=True
    ):
        folds[customer_id].add(*row)
    new = [fold.profile() for fold in folds.values()]
    for profile in new:
        profile.linked_until = linked_until.get(profile.id)
    save_profiles(batch, new)
    return {profile.id: _changes(old[profile.id], profile) for profile in new}


def close_customers(batch: OpenBatch) -> None:
    """Tell columnar how many customers, and ways from an origin to them, this batch changed. Call once, at the end."""
    row = bulk_cursor().execute(_COUNT, [batch.id, batch.id], prepare=True).fetchone()
    customers, origins = row or (0, 0)
    close_batch(batch, {"customers": customers, "origins": origins})


class _Fold:
    """One customer's identifiers and facets, being put together."""

    def __init__(self, customer_id: UUID, rules: IdentityRules) -> None:
        self._profile = Profile.empty(customer_id)
        self._rules = rules
        self._own: dict[tuple[str, str], Stamp] = {}
        self._facets: list[dict[str, list[Any]]] = []
        self._profile.is_identified = False

    def add(self, kind: str, value: str, source: str, first_seen_at: datetime, facet: str | None) -> None:
        self._own[kind, value] = [source, _stamp(first_seen_at)]
        self._profile.is_identified = self._profile.is_identified or kind in PERSONAL
        if facet:
            self._facets.append(msgspec.json.decode(facet))

    def profile(self) -> Profile:
        for facet in self._facets:
            for name, (value, source, at) in facet.items():
                if self._is_own(name, value):
                    self._profile.offer(name, _typed(name, value), source, _moment(at))
        for (kind, value), stamp in self._own.items():  # an identifier whose telling went elsewhere
            column = MAIN_COLUMNS.get(kind)
            if column and column not in self._profile.provenance:
                self._profile.put(column, value, stamp)
        return self._profile

    def _is_own(self, name: str, value: Any) -> bool:
        """A main identifier that identity gave to somebody else does not stand in this profile."""
        kind = _MAIN_KINDS.get(name)
        return not kind or not value or (kind, value) in self._own or not self._rules.rule(kind).grants_access


_MAIN_KINDS = {column: kind for kind, column in MAIN_COLUMNS.items()}


def _changes(old: Profile, new: Profile) -> dict[str, list[Any]]:
    names = {*FIELDS, *(ATTRIBUTE + name for name in (*old.attributes, *new.attributes))}
    return {
        name: [old.value(name), old.provenance.get(name)]
        for name in sorted(names)
        if plain(old.value(name)) != plain(new.value(name))
    }


def _goes_before(name: str, value: Any, source: str, at: datetime, known: list[Any]) -> bool:
    """Whether a value takes the place of `known`, a facet's entry: in most fields, if it was true later."""
    standing, known_standing = _standing(name, value, source), _standing(name, known[0], known[1])
    if standing != known_standing:
        return standing > known_standing
    moment = _moment(known[2])
    if at == moment:
        return _order(value) > _order(known[0])
    return at < moment if name in FIRSTS else at > moment


def _standing(name: str, value: Any, source: str) -> bool:
    """What goes before all that has none, whatever the time."""
    if name in PLACES:
        return source != BY_ADDRESS
    return name == "device_type" and value != BOT


def _typed(name: str, value: Any) -> Any:
    if name == "birth_date" and value:
        return date.fromisoformat(value)
    if name == "registered_at" and value:
        return _moment(value)
    return None if name in {"birth_date", "registered_at"} else value


def plain(value: Any) -> Any:
    """The value as JSON has it; moments in UTC."""
    if isinstance(value, datetime):
        return _stamp(value)
    return value.isoformat() if isinstance(value, date) else value


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _order(value: Any) -> str:
    """A total order over values of any type, already plain."""
    return "" if value is None or value == "" else msgspec.json.encode(value, order="sorted").decode()


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
