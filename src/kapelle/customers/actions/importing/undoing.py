"""Takes back what an import did to customers: removes untouched ones, puts changed fields back one by one."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.customers.actions.importing.planning import FIELD_NAMES
from kapelle.events.actions import close_batch, delete_from_columnar, open_batch
from kapelle.imports.contracts import Change, UndoOutcome
from kapelle.kernel.bulk import bulk_cursor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from kapelle.imports.contracts import ImportContext

UNDO_TABLES = ("identifiers", "customers")

# A customer that an import made goes only if it is still as the import left it, and nothing hangs on it.
_WHY_KEPT = """
    SELECT c.id, CASE
        WHEN b.source IS DISTINCT FROM %(source)s THEN 'changed since the import'
        WHEN c.merged_into IS NOT NULL OR EXISTS (SELECT FROM customers l WHERE l.workspace_id = c.workspace_id
            AND l.merged_into = c.id) THEN 'merged with another customer'
        WHEN EXISTS (SELECT FROM identifiers i WHERE i.workspace_id = c.workspace_id AND i.customer_id = c.id
            AND i.source <> %(source)s) THEN 'known by further identifiers'
        WHEN EXISTS (SELECT FROM events e WHERE e.workspace_id = c.workspace_id AND e.origin_id = c.id)
            THEN 'has events'
    END
    FROM customers c LEFT JOIN batches b ON b.id = c.batch_id
    WHERE c.id = ANY(%(ids)s)
"""
_SET = ", ".join(
    f"{name} = CASE WHEN t.restored ? '{name}' THEN "
    + {
        "birth_date": "(t.restored->>'birth_date')::date",
        "registered_at": "(t.restored->>'registered_at')::timestamptz",
    }.get(name, f"coalesce(t.restored->>'{name}', '')")
    + f" ELSE c.{name} END"
    for name in FIELD_NAMES
)
_RESTORE = f"""
    UPDATE customers c SET batch_id = %(batch)s, updated_at = %(now)s, attributes = t.attributes,
        provenance = t.provenance, {_SET}
    FROM json_to_recordset(%(rows)s::json) AS t(id uuid, restored jsonb, attributes jsonb, provenance jsonb)
    WHERE c.id = t.id
"""


def undo_customers(context: ImportContext, changes: Sequence[Change]) -> UndoOutcome:
    """Take back changes of the tables `customers` or `identifiers`, in the open transaction."""
    if changes[0].table == "identifiers":
        return _undo_identifiers([change.row_id for change in changes])
    outcome = UndoOutcome()
    batch = open_batch(source=f"undo:{context.job_id}", now=context.now)
    removed = _remove_created(context, [change.row_id for change in changes if change.before is None], outcome)
    delete_from_columnar(batch, "customers", removed)
    images = {change.row_id: change.before for change in changes if change.before is not None}
    restored = _restored_rows(context, images, outcome)
    # A restored row counts again as what wrote it before, so that an older import can be undone after this one.
    for source, rows in restored.items():
        own = open_batch(source=source or batch.source, now=context.now)
        values = {"batch": own.id, "now": context.now, "rows": msgspec.json.encode(rows).decode()}
        bulk_cursor().execute(_RESTORE, values)
        close_batch(own, {"customers": len(rows)})
    count = sum(map(len, restored.values()))
    outcome.undone = {"customers_removed": len(removed), "customers_restored": count}
    return outcome


def _remove_created(context: ImportContext, ids: list[UUID], outcome: UndoOutcome) -> list[UUID]:
    if not ids:
        return []
    cursor = bulk_cursor()
    reasons = dict(cursor.execute(_WHY_KEPT, {"source": context.source, "ids": ids}).fetchall())
    free = [row_id for row_id, reason in reasons.items() if reason is None]
    outcome.kept += [_kept("customers", row_id, reason) for row_id, reason in reasons.items() if reason]
    if free:
        cursor.execute("DELETE FROM customers WHERE id = ANY(%s)", [free])
    return free


def _undo_identifiers(ids: list[UUID]) -> UndoOutcome:
    """Identifiers that the import added to customers who existed. A merge that they caused stays."""
    cursor = bulk_cursor()
    rows = cursor.execute(
        """
        SELECT i.id, c.merged_into IS NOT NULL OR EXISTS (SELECT FROM customers l
            WHERE l.workspace_id = c.workspace_id AND l.merged_into = c.id)
        FROM identifiers i JOIN customers c ON c.id = i.customer_id WHERE i.id = ANY(%s)
        """,
        [ids],
    ).fetchall()
    free = [row_id for row_id, is_merged in rows if not is_merged]
    if free:
        cursor.execute("DELETE FROM identifiers WHERE id = ANY(%s)", [free])
    kept = [_kept("identifiers", row_id, "its customer was merged") for row_id, is_merged in rows if is_merged]
    return UndoOutcome({"identifiers_removed": len(free)}, kept)


def _restored_rows(
    context: ImportContext, images: dict[UUID, dict[str, Any]], outcome: UndoOutcome
) -> dict[str, list[dict[str, Any]]]:
    """Rows to write, by the source that they count as written by.

    Fields that still come from this import go back to their image; what was changed since stays.
    """
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    found = bulk_cursor().execute(
        """
        SELECT c.id, coalesce(b.source, ''), c.attributes::text, c.provenance::text
        FROM customers c LEFT JOIN batches b ON b.id = c.batch_id WHERE c.id = ANY(%s)
        """,
        [list(images)],
    )
    left = set(images)
    for row_id, last_source, *texts in found.fetchall():
        left.discard(row_id)
        attributes, provenance = map(msgspec.json.decode, texts)
        before = images[row_id]
        restored: dict[str, Any] = {}
        for key in [key for key, origin in provenance.items() if origin[0] == context.source]:
            name = key.removeprefix("attributes.")
            if key == name:
                restored[key] = before["fields"].get(key)
            elif name in before["attributes"]:
                attributes[name] = before["attributes"][name]
            else:
                attributes.pop(name, None)
            if key in before["provenance"]:
                provenance[key] = before["provenance"][key]
            else:
                del provenance[key]
        source = before["batch_source"] if last_source == context.source else last_source
        rows[source].append({"id": row_id, "restored": restored, "attributes": attributes, "provenance": provenance})
    outcome.kept += [_kept("customers", row_id, "no longer there") for row_id in left]
    return rows


def _kept(table: str, row_id: UUID, reason: str) -> dict[str, str]:
    return {"table": table, "id": str(row_id), "reason": reason}
