"""Takes back what an import did to customers: unlinks, removes what it added, puts changed fields back one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.customers.actions.profiles import close_customers, load_facets, refold, save_facets
from kapelle.customers.actions.replaying import replay
from kapelle.customers.actions.rules import load_rules
from kapelle.events.actions import delete_from_columnar, open_batch
from kapelle.imports.contracts import Change, UndoOutcome
from kapelle.kernel.bulk import bulk_cursor
from kapelle.privacy.actions.corrections import correct_consents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from kapelle.events.contracts import OpenBatch
    from kapelle.imports.contracts import ImportContext

CONSENT_LINES = "consent_entries"
UNDO_TABLES = ("identity_links", "identifiers", "customers")

# A customer that an import made goes only if nothing but the import has told of it, and nothing hangs on it.
_WHY_KEPT = """
    SELECT c.id, CASE
        WHEN EXISTS (SELECT FROM identifiers i, jsonb_each(i.facet) f WHERE i.workspace_id = c.workspace_id
            AND i.customer_id = c.id AND f.value ->> 1 <> %(source)s) THEN 'changed since the import'
        WHEN c.merged_into IS NOT NULL OR EXISTS (SELECT FROM customers l WHERE l.workspace_id = c.workspace_id
            AND l.merged_into = c.id) THEN 'merged with another customer'
        WHEN EXISTS (SELECT FROM identifiers i WHERE i.workspace_id = c.workspace_id AND i.customer_id = c.id
            AND i.source <> %(source)s) THEN 'known by further identifiers'
        WHEN EXISTS (SELECT FROM identifiers i JOIN events e ON e.workspace_id = i.workspace_id AND e.origin_id = i.id
            WHERE i.workspace_id = c.workspace_id AND i.customer_id = c.id) THEN 'has events'
    END
    FROM customers c WHERE c.id = ANY(%(ids)s)
"""
_UNLINK = """
    DELETE FROM identity_links WHERE workspace_id = %b AND strong_id = ANY(%b::uuid[]) AND source = %b
    RETURNING strong_id, weak_id
"""
_REMOVABLE = """
    SELECT i.id, i.customer_id FROM identifiers i
    WHERE i.workspace_id = %b AND i.id = ANY(%b::uuid[]) AND i.source = %b
      AND NOT EXISTS (SELECT FROM identity_links l WHERE l.workspace_id = i.workspace_id
                      AND (l.strong_id = i.id OR l.weak_id = i.id))
      AND NOT EXISTS (SELECT FROM events e WHERE e.workspace_id = i.workspace_id AND e.origin_id = i.id)
      AND NOT EXISTS (SELECT FROM jsonb_each(i.facet) f WHERE f.value ->> 1 <> i.source)
"""
_HOMES = "SELECT DISTINCT customer_id FROM identifiers WHERE id = ANY(%b::uuid[]) AND customer_id IS NOT NULL"


def undo_customers(context: ImportContext, changes: Sequence[Change]) -> UndoOutcome:
    """Take back changes of one of UNDO_TABLES, in the open transaction."""
    batch = open_batch(source=f"undo:{context.job_id}", now=context.now)
    created = [change.row_id for change in changes if change.before is None]
    if changes[0].table == "identity_links":
        outcome = _unlink(batch, context, created)
    elif changes[0].table == "identifiers":
        images = {change.row_id: change.before["facet"] for change in changes if change.before is not None}
        outcome = _undo_identifiers(batch, context, created, images)
    else:
        outcome = _remove_created(batch, context, created)
    close_customers(batch)
    return outcome


def undo_consents(context: ImportContext, changes: Sequence[Change]) -> UndoOutcome:
    """Let hold again what held before the import, by further lines of the ledger."""
    corrected, stay = correct_consents(
        workspace_id=context.workspace_id,
        entry_ids=[change.row_id for change in changes],
        source=f"undo:{context.job_id}",
        now=context.now,
    )
    kept = [_kept(CONSENT_LINES, entry_id, "a refusal stays: nothing was said before it") for entry_id in stay]
    return UndoOutcome({"consents_corrected": corrected}, kept)


def _unlink(batch: OpenBatch, context: ImportContext, strong: list[UUID]) -> UndoOutcome:
    """What the import alone has tied together falls apart again, merges that it caused included."""
    rows = bulk_cursor().execute(_UNLINK, [context.workspace_id, strong, context.source]).fetchall()
    outcome = UndoOutcome({"links_removed": len(rows)})
    if rows and replay(batch, {end for row in rows for end in row}, load_rules()) is None:
        outcome.kept = [_kept("identity_links", row[0], "too many identifiers hang together") for row in rows[:10]]
    return outcome


def _undo_identifiers(
    batch: OpenBatch, context: ImportContext, added: list[UUID], images: Mapping[UUID, Mapping[str, Any]]
) -> UndoOutcome:
    """Identifiers that the import added go; fields that still come from it go back, what was told since stays."""
    cursor = bulk_cursor()
    removable = dict(cursor.execute(_REMOVABLE, [context.workspace_id, added, context.source]).fetchall())
    homes = {home for home in removable.values() if home}
    if removable:
        # Taken apart, it may have become a customer of its own by now.
        cursor.execute("DELETE FROM customers WHERE id = ANY(%s)", [list(removable)])
        cursor.execute("DELETE FROM identifiers WHERE id = ANY(%s)", [list(removable)])
        delete_from_columnar(batch, "customers", homes & removable.keys())
        delete_from_columnar(batch, "origins", removable)
    facets = load_facets(batch.workspace_id, images)
    for facet in facets.values():
        for name in [name for name, entry in facet.entries.items() if entry[1] == context.source]:
            if name in images[facet.id]:
                facet.entries[name] = images[facet.id][name]
            else:
                del facet.entries[name]
    save_facets(batch, list(facets.values()))
    homes |= {row[0] for row in cursor.execute(_HOMES, [list(facets)])}
    refold(batch, homes - removable.keys(), load_rules())
    kept = [_kept("identifiers", row_id, "told of since the import") for row_id in added if row_id not in removable]
    kept += [_kept("identifiers", row_id, "no longer there") for row_id in images if row_id not in facets]
    return UndoOutcome({"identifiers_removed": len(removable), "customers_restored": len(facets)}, kept)


def _remove_created(batch: OpenBatch, context: ImportContext, ids: list[UUID]) -> UndoOutcome:
    cursor = bulk_cursor()
    reasons = dict(cursor.execute(_WHY_KEPT, {"source": context.source, "ids": ids}).fetchall())
    free = [row_id for row_id, reason in reasons.items() if reason is None]
    if free:
        cursor.execute("DELETE FROM customers WHERE id = ANY(%s)", [free])
        delete_from_columnar(batch, "customers", free)
    kept = [_kept("customers", row_id, reason) for row_id, reason in reasons.items() if reason]
    return UndoOutcome({"customers_removed": len(free)}, kept)


def _kept(table: str, row_id: UUID, reason: str) -> dict[str, str]:
    return {"table": table, "id": str(row_id), "reason": reason}
