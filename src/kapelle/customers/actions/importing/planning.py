"""Decides what drafts mean for the customers: create, change, leave, or let identity link. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.customers.actions.importing.drafts import PROFILE_FIELDS
from kapelle.customers.contracts import MAIN_COLUMNS
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from kapelle.customers.actions.importing.drafts import CustomerDraft
    from kapelle.customers.contracts import IdentifierPair

FIELD_NAMES = (*MAIN_COLUMNS.values(), *(item.name for item in PROFILE_FIELDS))


# OFFSET 0 keeps every look-up an index probe, whatever the planner believes of young tables.
_FIND = """
    SELECT k.kind, k.value, i.customer_id, coalesce(c.merged_into, c.id)
    FROM unnest(%b::text[], %b::text[]) k (kind, value)
    CROSS JOIN LATERAL (SELECT customer_id FROM identifiers
                        WHERE workspace_id = %b AND kind = k.kind AND value = k.value OFFSET 0) i
    CROSS JOIN LATERAL (SELECT id, merged_into FROM customers WHERE id = i.customer_id OFFSET 0) c
"""


@dataclass(slots=True)
class State:
    """One customer while a chunk's rows are laid over it."""

    id: UUID
    is_new: bool
    identifiers: tuple[IdentifierPair, ...] = ()  # of a new one
    fields: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, list[str]] = field(default_factory=dict)
    batch_source: str = ""  # who wrote it last
    before: dict[str, Any] | None = None  # of an existing one, once something changed


@dataclass(slots=True)
class FieldChange:
    """One field of one row that differs from what stood there."""

    field: str
    before: Any
    after: Any


@dataclass(slots=True)
class Plan:
    """What each draft (by its place) means."""

    known: dict[IdentifierPair, tuple[UUID, UUID]]  # identifier -> (origin, customer)
    targets: list[UUID | None]  # None: identity has to link first
    states: dict[UUID, State]
    created: set[int]
    to_link: list[int]
    changes: dict[int, list[FieldChange]] = field(default_factory=dict)


def find_identifiers(identifiers: Iterable[IdentifierPair]) -> dict[IdentifierPair, tuple[UUID, UUID]]:
    """Of these normalised identifiers the known ones: whose they first were, and whose they are now."""
    pairs = columns(set(identifiers), 2)
    rows = bulk_cursor().execute(_FIND, [*pairs, current_workspace()], binary=True).fetchall()
    return {(kind, value): (origin, customer) for kind, value, origin, customer in rows}


def plan_customers(drafts: Sequence[CustomerDraft]) -> Plan:
    """Match drafts to customers. Rows of one chunk with the same identifier meet here, in the order of the file."""
    known = find_identifiers(pair for draft in drafts for pair in draft.identifiers)
    owners = {pair: customer for pair, (_, customer) in known.items()}
    plan = Plan(known=known, targets=[], states={}, created=set(), to_link=[])
    for at, draft in enumerate(drafts):
        hits = {owners[pair] for pair in draft.identifiers if pair in owners}
        unknown = [pair for pair in draft.identifiers if pair not in owners]
        target: UUID | None
        if not hits:
            target = uuid7()
            plan.states[target] = State(target, is_new=True, identifiers=draft.identifiers)
            plan.created.add(at)
            owners.update(dict.fromkeys(draft.identifiers, target))
        elif len(hits) == 1 and not unknown:
            target = next(iter(hits))
        else:
            target = None
            plan.to_link.append(at)
            owners.update(dict.fromkeys(unknown, next(iter(hits))))
        plan.targets.append(target)
    return plan


def lay_over(plan: Plan, drafts: Sequence[CustomerDraft], source: str) -> None:
    """Apply the drafts to their customers' states, in the order of the file; notes what changed where."""
    load_states(plan)
    for at, (draft, target) in enumerate(zip(drafts, plan.targets, strict=True)):
        if target is None:
            continue
        state = plan.states[target]
        stamp = [source, draft.as_of.astimezone(UTC).isoformat().replace("+00:00", "Z")]
        if at in plan.created and not state.provenance:  # nothing is there that could be newer
            state.fields, state.attributes = dict(draft.fields), dict(draft.attributes)
            state.provenance = dict.fromkeys(
                [*draft.fields, *(f"attributes.{name}" for name in draft.attributes)], stamp
            )
            plan.changes[at] = []
            continue
        changes: list[FieldChange] = []
        image = None if state.is_new or state.before is not None else _image(state)
        for name, value in draft.fields.items():
            _set(state, state.fields, name, value, name, draft.as_of, stamp, changes)
        for name, value in draft.attributes.items():
            _set(state, state.attributes, name, value, f"attributes.{name}", draft.as_of, stamp, changes)
        if changes and image is not None:
            state.before = image
        plan.changes[at] = changes


def load_states(plan: Plan) -> None:
    """Read the existing customers that the drafts mean."""
    wanted = [target for target in set(plan.targets) if target is not None and target not in plan.states]
    if not wanted:
        return
    names = ", ".join(f"c.{name}" for name in FIELD_NAMES)
    with bulk_cursor() as cursor:
        cursor.execute(
            f"""
            SELECT c.id, c.attributes::text, c.provenance::text, coalesce(b.source, ''), {names}
            FROM unnest(%s::uuid[]) k (id)
            CROSS JOIN LATERAL (SELECT * FROM customers WHERE workspace_id = %s AND id = k.id OFFSET 0) c
            LEFT JOIN LATERAL (SELECT source FROM batches WHERE id = c.batch_id OFFSET 0) b ON true
            """,
            [wanted, current_workspace()],
        )
        for row in cursor.fetchall():
            fields = {name: value for name, value in zip(FIELD_NAMES, row[4:], strict=True) if value not in ("", None)}
            plan.states[row[0]] = State(
                row[0],
                is_new=False,
                fields=fields,
                attributes=msgspec.json.decode(row[1]),
                provenance=msgspec.json.decode(row[2]),
                batch_source=row[3],
            )


def _image(state: State) -> dict[str, Any]:
    return {
        "fields": {name: _plain(value) for name, value in state.fields.items()},
        "attributes": dict(state.attributes),
        "provenance": dict(state.provenance),
        "batch_source": state.batch_source,
    }


def _set(
    state: State,
    values: dict[str, Any],
    name: str,
    value: Any,
    key: str,
    as_of: datetime,
    stamp: list[str],
    changes: list[FieldChange],
) -> None:
    """The newest fact wins; a fact that says the same changes nothing, not even where it comes from."""
    if values.get(name) == value:
        return
    origin = state.provenance.get(key)
    if origin and datetime.fromisoformat(origin[1]) > as_of:
        return
    changes.append(FieldChange(key, values.get(name), value))
    values[name] = value
    state.provenance[key] = stamp


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
