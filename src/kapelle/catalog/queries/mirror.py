"""How columnar mirrors `orders`: its table there and the SELECT that feeds it."""

from __future__ import annotations

from kapelle.events.contracts import Mirror
from kapelle.kernel.columnar.ddl import Table

_SELECTED = (
    ("workspace_id", "UUID", "workspace_id"),
    ("id", "UUID", "id"),
    ("origin_id", "Nullable(UUID)", "origin_id"),
    ("external_id", "String", "external_id"),
    ("status", "LowCardinality(String)", "status"),
    ("ordered_at", "DateTime64(6, 'UTC')", "ordered_at AT TIME ZONE 'UTC'"),
    ("total", "Decimal(18, 4)", "total"),
    ("returned_total", "Decimal(18, 4)", "returned_total"),
    ("currency", "LowCardinality(String)", "currency"),
    ("batch_id", "UInt64", "batch_id"),
)

ORDERS = Mirror(
    table=Table(
        name="orders",
        columns=(*((name, kind) for name, kind, _ in _SELECTED), ("is_deleted", "UInt8 DEFAULT 0")),
        engine="ReplacingMergeTree(batch_id, is_deleted)",
        order_by=("workspace_id", "id"),
        shard_key="id",  # not the origin: a changed origin must still meet the row that it replaces
    ),
    columns=tuple(name for name, _, _ in _SELECTED),
    select=f"SELECT {', '.join(value for _, _, value in _SELECTED)} FROM orders WHERE batch_id = ANY({{batches}})",
    is_replacing=True,
)
