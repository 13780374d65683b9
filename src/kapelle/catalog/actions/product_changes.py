"""The stream of changes of products: what is cheaper, dearer, back, gone. Written in the change's own transaction."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kapelle.catalog.contracts import ChangeKind
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from kapelle.events.contracts import OpenBatch

Image = dict[str, Any]

_HUNDREDTH = Decimal("0.01")
_MOST = Decimal(9_999_999)
_INSERT = """
    INSERT INTO product_changes (workspace_id, batch_id, at, source, id, product_external_id, kind, price,
        previous_price, percent, currency)
    SELECT %b, %b, %b, %b, * FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::numeric[], %b::numeric[],
        %b::numeric[], %b::text[])
"""
_FORGET = """
    DELETE FROM product_changes WHERE id IN (
        SELECT id FROM product_changes WHERE workspace_id = %b AND at < %b ORDER BY at LIMIT 5000)
"""


def record_product_changes(batch: OpenBatch, pairs: Sequence[tuple[Image | None, Image]]) -> None:
    """Note what the change from the first image to the second (None: there was none) means to those who wait."""
    rows = [(uuid7(), *row) for before, after in pairs for row in _rows(before, after)]
    if rows:
        bulk_cursor().execute(_INSERT, [batch.workspace_id, batch.id, batch.now, batch.source, *columns(rows, 7)])


def forget_changes(*, before: datetime) -> bool:
    """Delete some of the changes from before this moment; False when none is left."""
    return bool(bulk_cursor().execute(_FORGET, [current_workspace(), before]).rowcount)


def _rows(before: Image | None, after: Image) -> Iterator[tuple[Any, ...]]:
    price, previous = after["price"], before and before["price"]
    for kind in find_changes(before, after):
        percent = None
        if previous and price is not None and kind in (ChangeKind.PRICE_DROP, ChangeKind.PRICE_RISE):
            percent = min((price - previous) * 100 / previous, _MOST).quantize(_HUNDREDTH)
        yield after["external_id"], kind.value, price, previous, percent, after["currency"]


def find_changes(before: Image | None, after: Image) -> Iterator[ChangeKind]:
    """A price counts as changed only within one currency; what cannot be bought has neither price nor stock."""
    if before is None:
        yield ChangeKind.NEW
        return
    if after["is_withdrawn"] and not before["is_withdrawn"]:
        yield ChangeKind.WITHDRAWN
        return
    price, previous = after["price"], before["price"]
    if price is not None and previous is not None and after["currency"] == before["currency"] and price != previous:
        yield ChangeKind.PRICE_DROP if price < previous else ChangeKind.PRICE_RISE
    if can_be_bought(after) != can_be_bought(before):
        yield ChangeKind.BACK_IN_STOCK if can_be_bought(after) else ChangeKind.OUT_OF_STOCK


def can_be_bought(product: Image) -> bool:
    """It is offered, and the shop does not say that none is left."""
    return (
        product["is_available"] and not product["is_withdrawn"] and (product["stock"] is None or product["stock"] > 0)
    )
