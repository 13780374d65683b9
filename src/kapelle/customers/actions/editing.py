"""Writes of people and programs on one customer: create or find by identifiers, change fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kapelle.customers.actions.definitions import check_type, ensure_definitions
from kapelle.customers.actions.identifiers import NotAnIdentifier, normalize, normalize_kind
from kapelle.customers.actions.profiles import (
    ATTRIBUTE,
    Facet,
    Profile,
    close_customers,
    load_facets,
    load_profiles,
    save_facets,
    save_profiles,
)
from kapelle.customers.actions.resolving import resolve_facts
from kapelle.customers.actions.traits import NotThisType
from kapelle.customers.contracts import MAIN_COLUMNS, Fact, strength
from kapelle.customers.models import Customer, Identifier
from kapelle.customers.queries.lookups import resolve_customer
from kapelle.events.actions import open_batch
from kapelle.kernel.errors import Conflict, Invalid
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from kapelle.customers.contracts import IdentifierPair
    from kapelle.events.contracts import OpenBatch


class IdentifierInvalid(Invalid):
    """A value that cannot identify anybody."""

    code = "invalid_identifier"


class AttributeInvalid(Invalid):
    """A custom field's value is of another type than the field."""

    code = "attribute_type"


class IdentityConflict(Conflict):
    """The identifiers belong to different people, or the customer would have too many of a kind."""

    code = "identity_conflict"


@dataclass(frozen=True, slots=True)
class Changes:
    """What to set: standard fields by name ("" or None clears), custom ones by name (None clears)."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


def upsert_customer(
    *, workspace_id: UUID, identifiers: Iterable[tuple[str, str]], changes: Changes, source: str, now: datetime
) -> tuple[UUID, bool]:
    """Find the customer of these identifiers or make one, then apply the changes; returns its id and whether it is new.

    Customers that the identifiers show to be one person are merged. Raises IdentifierInvalid, IdentityConflict,
    AttributeInvalid.
    """
    pairs = {_normalize(kind, value) for kind, value in identifiers}
    pairs |= _main_identifiers(changes)
    if not pairs:
        raise IdentifierInvalid("A customer needs at least one identifier, such as user_id, email or phone.")
    with workspace_scope(workspace_id):
        batch = open_batch(source=source, now=now)
        origin_id, customer_id = _resolve(batch, pairs, source)
        is_new = Customer.objects.filter(id=customer_id, created_at=now, batch_id=batch.id).exists()
        _apply(batch, origin_id, customer_id, changes, pairs, source)
        close_customers(batch)
    return customer_id, is_new


def update_customer(*, workspace_id: UUID, customer_id: UUID, changes: Changes, source: str, now: datetime) -> UUID:
    """Change fields of one customer; a new e-mail address, phone or external id becomes its identifier too.

    Returns the id under which the customer lives now. Raises NotFound and what `upsert_customer` raises.
    """
    with workspace_scope(workspace_id):
        batch = open_batch(source=source, now=now)
        home = resolve_customer(customer_id)
        pairs = _main_identifiers(changes)
        if pairs:
            known = Identifier.objects.filter(customer_id=home).values_list("kind", "value")
            anchor = min(known[:1000], key=_strength, default=None)
            if anchor is None:
                raise IdentityConflict("This customer has no identifier to which another one could be tied.")
            _, home = _resolve(batch, {anchor, *pairs}, source)
        _apply(batch, home, home, changes, pairs, source)
        close_customers(batch)
    return home


def _main_identifiers(changes: Changes) -> set[IdentifierPair]:
    columns = {column: kind for kind, column in MAIN_COLUMNS.items()}
    return {_normalize(columns[name], value) for name, value in changes.fields.items() if name in columns and value}


def _normalize(kind: str, value: str) -> IdentifierPair:
    try:
        known_kind = normalize_kind(kind)
        return known_kind, normalize(known_kind, value)
    except NotAnIdentifier as error:
        raise IdentifierInvalid(f"{kind} {value[:100]!r} cannot identify a customer: {error}.") from error


def _strength(pair: IdentifierPair) -> int:
    return strength(pair[0])


def _resolve(batch: OpenBatch, pairs: set[IdentifierPair], source: str) -> tuple[UUID, UUID]:
    """The origin and the customer of these identifiers."""
    ordered = tuple(sorted(pairs, key=lambda pair: (strength(pair[0]), pair)))
    fact = Fact(ordered, batch.now, f"{source}:{uuid7()}", source)
    resolve_facts(batch, [fact])
    left_out = [list(pair) for pair in ordered if pair not in fact.identifiers]
    if left_out or fact.customer_id is None or fact.origin_id is None:
        raise IdentityConflict(
            "These identifiers belong to different people, or to one who would have too many of a kind. Nothing was"
            " changed.",
            identifiers=left_out,
        )
    return fact.origin_id, fact.customer_id


def _apply(
    batch: OpenBatch, origin_id: UUID, customer_id: UUID, changes: Changes, pairs: set[IdentifierPair], source: str
) -> None:
    normalized = {MAIN_COLUMNS[kind]: value for kind, value in pairs if kind in MAIN_COLUMNS}
    types = ensure_definitions(batch, changes.attributes)
    facets, profile = (
        load_facets(batch.workspace_id, [origin_id]),
        load_profiles(batch.workspace_id, [customer_id])[customer_id],
    )
    values = {**changes.fields, **normalized}
    for name, value in changes.attributes.items():
        try:
            values[ATTRIBUTE + name] = check_type(value, types.get(name))
        except NotThisType as error:
            raise AttributeInvalid(f"The value of {name!r} cannot be used: {error}.", attribute=name) from error
    places: list[Facet | Profile] = [*facets.values(), profile]
    for place in places:
        for name, value in values.items():
            place.offer(name, value, source, batch.now)
    save_facets(batch, list(facets.values()))
    save_profiles(batch, [profile])
