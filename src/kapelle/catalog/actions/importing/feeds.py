"""What makes a file of products a feed: who was in it, each once, and the withdrawal of what it has no longer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from kapelle.catalog.actions.product_changes import record_product_changes
from kapelle.catalog.actions.products import load_products, write_products
from kapelle.catalog.contracts import ProductDraft
from kapelle.catalog.queries.lists import settings
from kapelle.events.actions import open_batch
from kapelle.imports.actions.changes import add_entities, read_marks, record_changes, write_marks
from kapelle.imports.contracts import RowFailure
from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.errors import KapelleError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kapelle.imports.contracts import ImportContext, ParsedRow

_STEP = 1000
_CHECKED = "withdrawing"
_MISSING = """
    FROM products p WHERE p.workspace_id = %b AND p.feed = %b AND NOT p.is_withdrawn
    AND NOT EXISTS (SELECT FROM import_marks m WHERE m.job_id = %b AND m.document = md5(p.external_id)::uuid)
"""


class FeedShrunk(KapelleError):
    """The feed lacks more products than anybody would take out at once: it is likely broken."""

    code = "feed_shrunk"
    status = 409


@dataclass(frozen=True, slots=True)
class Refused:
    """An offer that cannot be used, though it is in the feed."""

    external_id: str
    code: str
    reason: str


def refusal(row: ParsedRow) -> RowFailure:
    """The failure of a row whose record is Refused."""
    return RowFailure(row.number, row.record.code, row.record.reason)


def sift(context: ImportContext, rows: Sequence[ParsedRow]) -> tuple[list[ParsedRow], list[RowFailure]]:
    """The rows to be written, and those that are not; of a feed, remembers which products it has."""
    failures = [refusal(row) for row in rows if isinstance(row.record, Refused)]
    kept = [row for row in rows if not isinstance(row.record, Refused)]
    if not context.mapping.feed:
        return kept, failures
    keys = {row.number: _key(row.record.external_id) for row in rows if isinstance(row.record, ProductDraft | Refused)}
    seen = set(read_marks(job_id=context.job_id, documents=list(set(keys.values()))))
    chosen: list[ParsedRow] = []
    for row in kept:
        key = keys.get(row.number)
        if key in seen:
            reason = f"{row.record.external_id}: the feed has this id before; the first one counts"
            failures.append(RowFailure(row.number, "duplicate_id", reason))
            continue
        chosen.append(row)
        if key is not None:
            seen.add(key)
    write_marks(workspace_id=context.workspace_id, job_id=context.job_id, marks=dict.fromkeys(set(keys.values()), ()))
    return chosen, failures


def withdraw_missing(context: ImportContext, after: str) -> str | None:
    """One step: the next products that the feed has no longer. Raises FeedShrunk before the first one if they are
    too many."""
    cursor = bulk_cursor()
    scope = [context.workspace_id, context.mapping.feed, context.job_id]
    if not after:
        _guard(context, scope)
        return _CHECKED
    found = cursor.execute(f"SELECT p.external_id {_MISSING} ORDER BY p.external_id LIMIT {_STEP}", scope).fetchall()
    if not found:
        return None
    stored = load_products([row[0] for row in found])
    batch = open_batch(source=context.source, now=context.now)
    pairs = [
        (before, {**before, "is_available": False, "is_withdrawn": True, "source": batch.source})
        for before in stored.values()
    ]
    write_products(batch, [image for _, image in pairs])
    record_product_changes(batch, pairs)
    rows = [(before["id"], before) for before, _ in pairs]
    record_changes(workspace_id=context.workspace_id, job_id=context.job_id, table="products", rows=rows)
    add_entities(job_id=context.job_id, counts={"products_withdrawn": len(pairs)})
    return _CHECKED


def _guard(context: ImportContext, scope: Sequence[object]) -> None:
    limit = context.mapping.withdraw_limit
    limit = settings().withdraw_limit if limit is None else limit
    row = bulk_cursor().execute(f"SELECT count(*) {_MISSING}", scope).fetchone()
    missing = row[0] if row else 0
    sql = "SELECT count(*) FROM products WHERE workspace_id = %b AND feed = %b AND NOT is_withdrawn"
    row = bulk_cursor().execute(sql, scope[:2]).fetchone()
    total = row[0] if row else 0
    if missing > total * limit:
        raise FeedShrunk(
            f"The feed lacks {missing:,} of its {total:,} products, more than {limit:.0%}. None was withdrawn; what it"
            " has was taken. Run it again with a higher withdraw_limit in the mapping if this is meant.",
            missing=missing,
            total=total,
        )


def _key(external_id: str) -> UUID:
    return UUID(bytes=hashlib.md5(external_id.encode(), usedforsecurity=False).digest())
