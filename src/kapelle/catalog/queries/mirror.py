"""How columnar mirrors orders, their lines, products, categories and product lists: tables there, SELECTs here."""

from __future__ import annotations

from kapelle.events.contracts import Mirror
from kapelle.kernel.columnar.ddl import Table

Column = tuple[str, str, str]  # name, ClickHouse's type, PostgreSQL's expression

_TIME = "DateTime64(6, 'UTC')"
_WORD = "LowCardinality(String)"
_MONEY = "Decimal(18, 4)"
_AMOUNT = "Nullable(Decimal(18, 4))"


def _plain(kind: str, *names: str) -> tuple[Column, ...]:
    return tuple((name, kind, name) for name in names)


def _mirror(
    name: str, columns: tuple[Column, ...], source: str, order_by: tuple[str, ...] = ("workspace_id", "id")
) -> Mirror:
    """A table that keeps the newest version of a row. Sharded by id: a changed row must meet the one it replaces."""
    return Mirror(
        table=Table(
            name=name,
            columns=(*((column, kind) for column, kind, _ in columns), ("is_deleted", "UInt8 DEFAULT 0")),
            engine="ReplacingMergeTree(batch_id, is_deleted)",
            order_by=order_by,
            shard_key="id",
        ),
        columns=tuple(column for column, _, _ in columns),
        select=f"SELECT {', '.join(value for _, _, value in columns)} FROM {source} = ANY({{batches}})",
        is_replacing=True,
    )


ORDERS = _mirror(
    "orders",
    (
        *_plain("UUID", "workspace_id", "id"),
        ("origin_id", "Nullable(UUID)", "origin_id"),
        ("external_id", "String", "external_id"),
        ("status", _WORD, "status"),
        ("ordered_at", _TIME, "ordered_at AT TIME ZONE 'UTC'"),
        *_plain(_MONEY, "total", "returned_total"),
        *_plain(_WORD, "currency", "channel", "store", "promo_code", "payment_status"),
        ("batch_id", "UInt64", "batch_id"),
    ),
    "orders WHERE batch_id",
)

# Lines have no batch of their own: they are written, and mirrored, with their order, whose facts they repeat.
ORDER_LINES = _mirror(
    "order_lines",
    (
        ("workspace_id", "UUID", "l.workspace_id"),
        ("id", "UUID", "l.id"),
        ("order_id", "UUID", "l.order_id"),
        ("origin_id", "Nullable(UUID)", "o.origin_id"),
        ("ordered_at", _TIME, "o.ordered_at AT TIME ZONE 'UTC'"),
        ("order_status", _WORD, "o.status"),
        ("currency", _WORD, "o.currency"),
        ("product_external_id", "String", "l.product_external_id"),
        ("status", _WORD, "l.status"),
        *((name, _MONEY, f"l.{name}") for name in ("quantity", "total", "returned_quantity", "returned_total")),
        ("batch_id", "UInt64", "o.batch_id"),
    ),
    "orders o JOIN order_lines l ON l.workspace_id = o.workspace_id AND l.order_id = o.id WHERE o.batch_id",
)

PRODUCTS = _mirror(
    "products",
    (
        *_plain("UUID", "workspace_id", "id"),
        *_plain("String", "external_id", "group_external_id", "category_external_id", "name"),
        ("brand", _WORD, "brand"),
        *_plain(_AMOUNT, "price", "old_price", "stock"),
        ("currency", _WORD, "currency"),
        ("is_available", "UInt8", "(is_available AND NOT is_withdrawn)::int"),
        ("batch_id", "UInt64", "batch_id"),
    ),
    "products WHERE batch_id",
)

CATEGORIES = _mirror(
    "categories",
    (
        *_plain("UUID", "workspace_id", "id"),
        *_plain("String", "external_id", "name", "parent_external_id"),
        ("batch_id", "UInt64", "batch_id"),
    ),
    "categories WHERE batch_id",
)

# Steps, not items: what they come to depends on all origins of a customer (`queries.list_fold`).
PRODUCT_LIST_ENTRIES = _mirror(
    "product_list_entries",
    (
        *_plain("UUID", "workspace_id", "id", "origin_id"),
        ("list", _WORD, "list"),
        *_plain("String", "product_external_id", "variant", "key"),
        ("at", _TIME, "at AT TIME ZONE 'UTC'"),
        ("op", _WORD, "op"),
        *_plain(_AMOUNT, "quantity", "price"),
        ("batch_id", "UInt64", "batch_id"),
    ),
    "product_list_entries WHERE batch_id",
)

MIRRORS = (ORDERS, ORDER_LINES, PRODUCTS, CATEGORIES, PRODUCT_LIST_ENTRIES)
