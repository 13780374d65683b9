"""Writes a chunk of customer drafts set-wise, with the images that its undo needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from kapelle.customers.actions.importing.inserting import Newcomer, insert_newcomers
from kapelle.customers.actions.importing.linking import link_drafts
from kapelle.customers.actions.importing.planning import (
    FieldChange,
    Layers,
    Plan,
    Target,
    lay_over,
    load_layers,
    plan_customers,
)
from kapelle.customers.actions.links import find_identifiers
from kapelle.customers.actions.profiles import save_facets, save_profiles
from kapelle.imports.actions.changes import record_changes
from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from kapelle.customers.actions.importing.drafts import CustomerDraft
    from kapelle.events.contracts import OpenBatch

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
    newcomers = [Newcomer(at, drafts[at], target.customer) for at in plan.created if (target := plan.targets[at])]
    new = {newcomer.id for newcomer in newcomers}
    insert_newcomers(batch, newcomers, job_id=job_id)
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
    if rows:
        values = {"workspace": batch.workspace_id, "now": batch.now, "rows": msgspec.json.encode(rows).decode()}
        bulk_cursor().execute(_ENSURE_ATTRIBUTES, values)


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
