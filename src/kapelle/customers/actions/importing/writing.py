"""Writes a chunk of customer drafts set-wise, with the images that its undo needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.customers.actions.importing.linking import link_drafts
from kapelle.customers.actions.importing.planning import (
    FIELD_NAMES,
    FieldChange,
    Layers,
    Plan,
    Target,
    facet_of,
    lay_over,
    load_layers,
    plan_customers,
    told_by,
)
from kapelle.customers.actions.links import find_identifiers
from kapelle.customers.actions.profiles import save_facets, save_profiles
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
_VALUES = ", ".join(f"t.{name}" if name in _NOT_TEXT else f"coalesce(t.{name}, '')" for name in FIELD_NAMES)

_INSERT_CUSTOMERS = f"""
    INSERT INTO customers (id, workspace_id, batch_id, is_identified, created_at, updated_at, linked_until, {_NAMES},
        attributes, provenance, ip, device_type, screen, os, browser, browser_version)
    SELECT t.id, %(workspace)s, %(batch)s, t.is_identified, %(now)s, %(now)s, t.linked_until, {_VALUES},
        coalesce(t.attributes, '{{}}'), t.provenance, '', '', '', '', '', ''
    FROM json_to_recordset(%(rows)s::json)
        AS t(id uuid, is_identified boolean, linked_until timestamptz, attributes jsonb, provenance jsonb, {_TYPED})
"""
_INSERT_IDENTIFIERS = """
    INSERT INTO identifiers (workspace_id, batch_id, source, first_seen_at, id, kind, value, customer_id, is_origin,
        is_moved, facet)
    SELECT %b, %b, %b, %b, id, kind, value, customer_id, id = customer_id, id <> customer_id, facet::jsonb
    FROM unnest(%t::uuid[], %b::text[], %b::text[], %t::uuid[], %b::text[]) i (id, kind, value, customer_id, facet)
"""
_INSERT_LINKS = """
    INSERT INTO identity_links (workspace_id, source, kind, id, strong_id, weak_id, at, message_id)
    SELECT %b, %b, 0, * FROM unnest(%t::uuid[], %t::uuid[], %t::uuid[], %b::timestamptz[], %b::text[])
"""
_ENSURE_ATTRIBUTES = """
    INSERT INTO attribute_definitions (id, workspace_id, name, type, label, created_at)
    SELECT t.i, %(workspace)s, t.n, t.t, '', %(now)s FROM json_to_recordset(%(rows)s::json) AS t(i uuid, n text, t text)
    ON CONFLICT (workspace_id, name) DO NOTHING
"""


@dataclass(slots=True)
class CustomersWritten:
    """What became of each draft, by its place."""

    origins: list[UUID]  # the identifier that rows of this draft belong to for ever
    customers: list[UUID]  # whose it is today
    created: set[int]
    linked: set[int]
    changes: dict[int, list[FieldChange]]
    count_created: int
    count_updated: int


def write_customers(batch: OpenBatch, drafts: Sequence[CustomerDraft], *, job_id: UUID | None) -> CustomersWritten:
    """Upsert the customers of these drafts in the open batch. The caller closes the batch (`close_customers`)."""
    plan = plan_customers(drafts, batch.source)
    new = {target.customer for at in plan.created if (target := plan.targets[at])}
    _insert_new(batch, plan, drafts)
    record_changes(
        workspace_id=batch.workspace_id, job_id=job_id, table="customers", rows=((row_id, None) for row_id in new)
    )
    if plan.to_link:
        # Identity looks into the tables, and what this chunk creates stands there by now.
        link_drafts(batch, [drafts[at] for at in plan.to_link])
        _settle(batch, plan, drafts, new, job_id)
    created = set(plan.created)
    layers = load_layers(plan, [at for at in range(len(drafts)) if at not in created])
    lay_over(plan, drafts, layers, batch.source)
    _save(batch, layers, new, job_id)
    targets = [target for target in plan.targets if target is not None]
    return CustomersWritten(
        origins=[target.origin for target in targets],
        customers=[target.customer for target in targets],
        created=created,
        linked=plan.joining - created,
        changes=plan.changes,
        count_created=len(new),
        count_updated=len(layers.changed - new),
    )


def ensure_attributes(batch: OpenBatch, types: dict[str, str]) -> None:
    """Make the definitions of custom fields that do not exist yet."""
    rows = [{"i": uuid7(), "n": name, "t": "string" if kind == "text" else kind} for name, kind in types.items()]
    _execute(batch, _ENSURE_ATTRIBUTES, rows)


def _settle(batch: OpenBatch, plan: Plan, drafts: Sequence[CustomerDraft], new: set[UUID], job_id: UUID | None) -> None:
    """After linking: whose each draft is now, which identifiers and links were added to customers that existed."""
    before = plan.known
    plan.known = find_identifiers(batch.workspace_id, (pair for draft in drafts for pair in draft.identifiers))
    for at, draft in enumerate(drafts):
        found = plan.known[draft.identifiers[0]]
        if found.customer:
            plan.targets[at] = Target(found.id, found.customer)
    linked = {drafts[at].identifiers[0] for at in plan.to_link}
    added = {item.id for pair, item in plan.known.items() if pair not in before and item.id not in new}
    own = {item.id for pair, item in plan.known.items() if item.customer in new}
    for table, ids in (("identity_links", {plan.known[pair].id for pair in linked}), ("identifiers", added - own)):
        record_changes(
            workspace_id=batch.workspace_id, job_id=job_id, table=table, rows=((row_id, None) for row_id in ids)
        )


def _save(batch: OpenBatch, layers: Layers, new: set[UUID], job_id: UUID | None) -> None:
    images = ((origin, {"facet": before}) for origin, before in layers.images.items() if origin not in new)
    record_changes(workspace_id=batch.workspace_id, job_id=job_id, table="identifiers", rows=images)
    save_facets(batch, [layers.facets[origin] for origin in layers.images])
    save_profiles(batch, [layers.profiles[customer_id] for customer_id in layers.changed])


def _insert_new(batch: OpenBatch, plan: Plan, drafts: Sequence[CustomerDraft]) -> None:
    """The customers whom nobody has named before: everything is known, so nothing needs to be looked up."""
    rows: list[dict[str, Any]] = []
    identifiers: list[tuple[str, str, str, str, str | None]] = []
    links: list[tuple[Any, ...]] = []
    for at in plan.created:
        draft, target = drafts[at], plan.targets[at]
        if target is None:
            continue
        stamp = [batch.source, draft.as_of.astimezone(UTC).isoformat()]
        home = target.customer.hex
        row = {**draft.fields, "id": home, "attributes": draft.attributes}
        row["provenance"] = dict.fromkeys([name for name, _ in told_by(draft)], stamp)
        row["is_identified"] = any(kind in PERSONAL for kind, _ in draft.identifiers)
        row["linked_until"] = draft.as_of if len(draft.identifiers) > 1 else None
        rows.append(row)
        first, *others = draft.identifiers
        identifiers.append((home, *first, home, msgspec.json.encode(facet_of(draft, stamp)).decode()))
        for kind, value in others:
            other = uuid7().hex
            identifiers.append((other, kind, value, home, None))
            links.append((uuid7().hex, home, other, draft.as_of, f"{batch.source}:{batch.id}:{at:06}"))
    _execute(batch, _INSERT_CUSTOMERS, rows)
    cursor = bulk_cursor()
    if identifiers:
        ids, kinds, values, owners, facets = columns(identifiers, 5)
        # Ids as array text: a fifth of the cost of dumping each.
        parameters = [_array(ids), kinds, values, _array(owners), facets]
        cursor.execute(_INSERT_IDENTIFIERS, [batch.workspace_id, batch.id, batch.source, batch.now, *parameters])
    if links:
        ids, strong, weak, times, messages = columns(links, 5)
        parameters = [_array(ids), _array(strong), _array(weak), times, messages]
        cursor.execute(_INSERT_LINKS, [batch.workspace_id, batch.source, *parameters])


def _array(ids: list[str]) -> str:
    return f"{{{','.join(ids)}}}"


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
