"""How columnar mirrors `customers` and the map origin -> customer: their tables there, and the SELECTs for them."""

from __future__ import annotations

from kapelle.customers.contracts import PROFILE_TEXTS
from kapelle.events.contracts import Mirror
from kapelle.kernel.columnar.ddl import Table

_SELECTED = (
    ("workspace_id", "UUID", "workspace_id"),
    ("id", "UUID", "id"),
    ("merged_into", "Nullable(UUID)", "merged_into"),
    ("is_identified", "UInt8", "is_identified::int"),
    ("created_at", "DateTime64(6, 'UTC')", "created_at AT TIME ZONE 'UTC'"),
    ("registered_at", "Nullable(DateTime64(6, 'UTC'))", "registered_at AT TIME ZONE 'UTC'"),
    ("birth_date", "String", "coalesce(birth_date::text, '')"),  # ISO text sorts like the date, in any century
    *((name, "String", name) for name in PROFILE_TEXTS),
    ("attributes", "String CODEC(ZSTD(1))", "attributes"),
    ("batch_id", "UInt64", "batch_id"),
)

CUSTOMERS = Mirror(
    table=Table(
        name="customers",
        columns=(*((name, kind) for name, kind, _ in _SELECTED), ("is_deleted", "UInt8 DEFAULT 0")),
        engine="ReplacingMergeTree(batch_id, is_deleted)",
        order_by=("workspace_id", "id"),
        shard_key="id",
    ),
    columns=tuple(name for name, _, _ in _SELECTED),
    select=f"SELECT {', '.join(value for _, _, value in _SELECTED)} FROM customers WHERE batch_id = ANY({{batches}})",
    is_replacing=True,
)

# Without the map's plain entries: an origin that is not in it is a customer's own id.
ORIGINS = Mirror(
    table=Table(
        name="origins",
        columns=(
            ("workspace_id", "UUID"),
            ("id", "UUID"),
            ("customer_id", "Nullable(UUID)"),
            ("batch_id", "UInt64"),
            ("is_deleted", "UInt8 DEFAULT 0"),
        ),
        engine="ReplacingMergeTree(batch_id, is_deleted)",
        order_by=("workspace_id", "id"),
        shard_key="id",
    ),
    columns=("workspace_id", "id", "customer_id", "batch_id"),
    select="""
        SELECT workspace_id, id, customer_id, batch_id FROM identifiers
        WHERE is_origin AND is_moved AND batch_id = ANY({batches})
    """,
    is_replacing=True,
)
