"""Writes a chunk of customer drafts set-wise, with the images that its undo needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.customers.actions.importing.linking import link_drafts
from kapelle.customers.actions.importing.planning import (
    FIELD_NAMES,
    FieldChange,
    Plan,
    State,
    find_identifiers,
    lay_over,
    plan_customers,
)
from kapelle.customers.contracts import PERSONAL
from kapelle.imports.actions.changes import record_changes
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from kapelle.customers.actions.importing.drafts import CustomerDraft
    from kapelle.events.contracts import OpenBatch

_NOT_TEXT = {"birth_date": "date", "registered_at": "timestamptz"}
_TYPED = ", ".join(f"{name} {_NOT_TEXT.get(name, 'text')}" for name in FIELD_NAMES)
_NAMES = ", ".join(FIELD_NAMES)
_VALUES = {name: f"t.{name}" if name in _NOT_TEXT else f"coalesce(t.{name}, '')" for name in FIELD_NAMES}

_INSERT_CUSTOMERS = f"""
    INSERT INTO customers (id, workspace_id, batch_id, is_identified, created_at, updated_at, {_NAMES},
        attributes, provenance, ip, device_type, screen, os, browser, browser_version)
    SELECT t.id, %(workspace)s, %(batch)s, coalesce(t.is_identified, false), %(now)s, %(now)s,
        {", ".join(_VALUES.values())}, t.attributes, t.provenance, '', '', '', '', '', ''
    FROM json_to_recordset(%(rows)s::json)
        AS t(id uuid, is_identified boolean, attributes jsonb, provenance jsonb, {_TYPED})
"""
# By way of a conflict, each row is looked up in the index by itself, whatever the planner believes of young tables.
_UPDATE_CUSTOMERS = f"""{_INSERT_CUSTOMERS}
    ON CONFLICT (id) DO UPDATE SET batch_id = excluded.batch_id, updated_at = excluded.updated_at,
        attributes = excluded.attributes, provenance = excluded.provenance,
        {", ".join(f"{name} = excluded.{name}" for name in FIELD_NAMES)}
"""
_INSERT_IDENTIFIERS = """
    INSERT INTO identifiers (workspace_id, source, first_seen_at, id, kind, value, customer_id)
    SELECT %b, %b, %b, * FROM unnest(%t::uuid[], %b::text[], %b::text[], %t::uuid[])
"""
_FIND_NEW_IDENTIFIERS = """
    SELECT i.id FROM json_to_recordset(%s::json) AS t(k text, v text)
    JOIN identifiers i ON i.kind = t.k AND i.value = t.v
    WHERE i.customer_id <> ALL(%s)
"""
_ENSURE_ATTRIBUTES = """
    INSERT INTO attribute_definitions (id, workspace_id, name, type, label, created_at)
    SELECT t.i, %(workspace)s, t.n, t.t, '', %(now)s FROM json_to_recordset(%(rows)s::json) AS t(i uuid, n text, t text)
    ON CONFLICT (workspace_id, name) DO NOTHING
"""


@dataclass(slots=True)
class CustomersWritten:
    """What became of each draft, by its place."""

    origins: list[UUID]  # the profile that rows of this draft belong to for ever
    customers: list[UUID]  # whose it is today
    created: set[int]
    linked: set[int]
    changes: dict[int, list[FieldChange]]
    count_created: int
    count_updated: int


def write_customers(batch: OpenBatch, drafts: Sequence[CustomerDraft], *, job_id: UUID) -> CustomersWritten:
    """Upsert the customers of these drafts in the open batch. The caller closes the batch (`close_customers`)."""
    plan = plan_customers(drafts)
    new = [state for state in plan.states.values() if state.is_new]
    if plan.to_link:
        # Identity looks into the tables, so what this chunk creates must stand there before.
        _insert_customers(batch, new)
        link_drafts(batch, [drafts[at] for at in plan.to_link])
        _settle(batch, plan, drafts, new, job_id)
    lay_over(plan, drafts, batch.source)
    changed = [state for state in plan.states.values() if state.before is not None]
    if plan.to_link:
        changed += [state for state in new if state.provenance and state.id in plan.targets]
    else:
        _insert_customers(batch, new)
    _update_customers(batch, changed)
    _record(batch, new, changed, job_id)
    first = [plan.known.get(draft.identifiers[0]) for draft in drafts]
    return CustomersWritten(
        origins=[found[0] if found else plan.targets[at] for at, found in enumerate(first)],  # type: ignore[misc]
        customers=plan.targets,  # type: ignore[arg-type]  # none is open after linking
        created=plan.created,
        linked=set(plan.to_link),
        changes=plan.changes,
        count_created=len(new),
        count_updated=len([state for state in changed if not state.is_new]),
    )


def ensure_attributes(batch: OpenBatch, types: dict[str, str]) -> None:
    """Make the definitions of custom fields that do not exist yet."""
    if not types:
        return
    rows = [{"i": uuid7(), "n": name, "t": "string" if kind == "text" else kind} for name, kind in types.items()]
    _execute(batch, _ENSURE_ATTRIBUTES, rows)


def _settle(batch: OpenBatch, plan: Plan, drafts: Sequence[CustomerDraft], new: list[State], job_id: UUID) -> None:
    """After linking: whose each draft is now, and which identifiers were added to customers that existed."""
    unknown = [pair for draft in drafts for pair in draft.identifiers if pair not in plan.known]
    plan.known = find_identifiers(pair for draft in drafts for pair in draft.identifiers)
    plan.targets = [plan.known[draft.identifiers[0]][1] for draft in drafts]
    with bulk_cursor() as cursor:
        listed = msgspec.json.encode([{"k": kind, "v": value} for kind, value in set(unknown)]).decode()
        cursor.execute(_FIND_NEW_IDENTIFIERS, [listed, [state.id for state in new]])
        added = [(row[0], None) for row in cursor.fetchall()]
    record_changes(workspace_id=batch.workspace_id, job_id=job_id, table="identifiers", rows=added)


def _record(batch: OpenBatch, new: list[State], changed: list[State], job_id: UUID) -> None:
    images: list[tuple[UUID, dict[str, Any] | None]] = [(state.id, None) for state in new]
    images += [(state.id, state.before) for state in changed if not state.is_new]
    record_changes(workspace_id=batch.workspace_id, job_id=job_id, table="customers", rows=images)


def _insert_customers(batch: OpenBatch, states: list[State]) -> None:
    rows, identifiers = [], []
    for state in states:
        row: dict[str, Any] = {"id": state.id, "attributes": state.attributes, "provenance": state.provenance}
        row.update(state.fields)
        row["is_identified"] = any(kind in PERSONAL for kind, _ in state.identifiers)
        rows.append(row)
        identifiers += [(uuid7().hex, kind, value, state.id.hex) for kind, value in state.identifiers]
    _execute(batch, _INSERT_CUSTOMERS, rows)
    if identifiers:
        ids, kinds, values, owners = columns(identifiers, 4)
        # Ids as array text: a fifth of the cost of dumping each.
        parameters = [f"{{{','.join(ids)}}}", kinds, values, f"{{{','.join(owners)}}}"]
        head = [batch.workspace_id, batch.source, batch.now]
        bulk_cursor().execute(_INSERT_IDENTIFIERS, [*head, *parameters])


def _update_customers(batch: OpenBatch, states: list[State]) -> None:
    rows = [
        {"id": state.id, "attributes": state.attributes, "provenance": state.provenance, **state.fields}
        for state in states
    ]
    _execute(batch, _UPDATE_CUSTOMERS, rows)


def _execute(batch: OpenBatch, sql: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    values = {
        "workspace": batch.workspace_id,
        "batch": batch.id,
        "now": batch.now,
        "source": batch.source,
        "rows": msgspec.json.encode(rows).decode(),
    }
    with bulk_cursor() as cursor:
        cursor.execute(sql, values)
