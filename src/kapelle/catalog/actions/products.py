"""Upserts products and categories, set-wise, with the images that an import's undo needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.catalog.contracts import CategoryDraft, ProductDraft

FIELDS = ("name", "sku", "brand", "category_external_id", "price", "currency", "url", "image_url", "is_available")
_TYPES = {"price": "numeric", "is_available": "boolean"}
_EMPTY: dict[str, Any] = {**dict.fromkeys(FIELDS, ""), "price": None, "is_available": True}

# Each key is looked up in the index by itself, whatever the planner believes of young tables.
_LOAD = f"""
    SELECT p.* FROM unnest(%b::text[]) k (key) CROSS JOIN LATERAL (
        SELECT id, external_id, source, attributes::text, {", ".join(FIELDS)} FROM products
        WHERE workspace_id = %b AND external_id = k.key OFFSET 0) p
"""
_KNOWN = """
    SELECT k.key FROM unnest(%b::text[]) k (key)
    CROSS JOIN LATERAL (SELECT FROM products WHERE workspace_id = %b AND external_id = k.key OFFSET 0) p
"""
_TYPED = ", ".join(f"{name} {_TYPES.get(name, 'text')}" for name in FIELDS)
_WRITE = f"""
    INSERT INTO products (workspace_id, updated_at, id, external_id, source, attributes, {", ".join(FIELDS)})
    SELECT %s, %s, t.* FROM json_to_recordset(%s::json)
        AS t(id uuid, external_id text, source text, attributes jsonb, {_TYPED})
    ON CONFLICT (workspace_id, external_id) DO UPDATE SET updated_at = excluded.updated_at, source = excluded.source,
        attributes = excluded.attributes, {", ".join(f"{name} = excluded.{name}" for name in FIELDS)}
"""
_NAMES = """
    INSERT INTO products (workspace_id, source, updated_at, id, external_id, name, sku, brand, category_external_id,
        currency, url, image_url, is_available, attributes)
    SELECT %b, %b, %b, t.id, t.external_id, t.name, '', '', '', '', '', '', true, '{}'
    FROM unnest(%b::uuid[], %b::text[], %b::text[]) t (id, external_id, name)
    ON CONFLICT (workspace_id, external_id) DO NOTHING
    RETURNING id
"""
_CATEGORIES = """
    INSERT INTO categories (workspace_id, id, external_id, name, parent_external_id)
    SELECT %b, * FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[])
    ON CONFLICT (workspace_id, external_id)
"""
_OVERWRITE = "DO UPDATE SET name = excluded.name, parent_external_id = excluded.parent_external_id"

Image = dict[str, Any]


def load_products(external_ids: Sequence[str]) -> dict[str, Image]:
    """Stored products by the shop's id, as JSON-ready dictionaries."""
    rows = bulk_cursor().execute(_LOAD, [list(set(external_ids)), current_workspace()]).fetchall()
    products = {}
    for row in rows:
        image = dict(zip(("id", "external_id", "source"), row[:3], strict=True))
        image["attributes"] = msgspec.json.decode(row[3])
        image.update(zip(FIELDS, row[4:], strict=True))
        products[image["external_id"]] = image
    return products


def lay_product_over(stored: Image | None, draft: ProductDraft, source: str) -> tuple[Image, list[str]]:
    """The product as it will be, and which fields differ; a new one differs in "external_id"."""
    after: Image = (
        dict(stored) if stored else {"id": uuid7(), "external_id": draft.external_id, "attributes": {}, **_EMPTY}
    )
    changed = [] if stored else ["external_id"]
    for name in FIELDS:
        value = getattr(draft, name)
        if value is not None and value != after[name]:
            after[name] = value
            changed.append(name)
    fresh = {key: value for key, value in draft.attributes.items() if after["attributes"].get(key) != value}
    if fresh:
        after["attributes"] = {**after["attributes"], **fresh}
        changed += [f"attributes.{key}" for key in fresh]
    if changed:
        after["source"] = source
    return after, changed


def write_products(*, workspace_id: UUID, products: Sequence[Image], now: datetime) -> None:
    """Insert or overwrite whole products; each external id once."""
    if products:
        rows = msgspec.json.encode(list(products)).decode()
        bulk_cursor().execute(_WRITE, [workspace_id, now, rows])


def upsert_products(*, workspace_id: UUID, drafts: Sequence[ProductDraft], source: str, now: datetime) -> int:
    """Create or change products; returns how many are different now. In the open scope."""
    stored = load_products([draft.external_id for draft in drafts])
    changed: dict[str, Image] = {}
    for draft in drafts:
        after, fields = lay_product_over(stored.get(draft.external_id), draft, source)
        stored[draft.external_id] = after
        if fields:
            changed[draft.external_id] = after
    write_products(workspace_id=workspace_id, products=list(changed.values()), now=now)
    return len(changed)


def ensure_products(*, workspace_id: UUID, names: dict[str, str], source: str, now: datetime) -> list[UUID]:
    """Make products that orders name and that do not exist; returns the ids of the new ones."""
    if not names:
        return []
    cursor = bulk_cursor()
    known = cursor.execute(_KNOWN, [list(names), workspace_id]).fetchall()
    missing = [(uuid7(), product, names[product]) for product in names.keys() - {row[0] for row in known}]
    if not missing:
        return []
    cursor.execute(_NAMES, [workspace_id, source, now, *columns(missing, 3)])
    return [row[0] for row in cursor.fetchall()]


def upsert_categories(*, workspace_id: UUID, drafts: Sequence[CategoryDraft], keep_existing: bool = False) -> None:
    """Create categories, and rename those that exist unless they are to be kept; the last draft of one holds."""
    unique = {draft.external_id: draft for draft in drafts}
    rows = [(uuid7(), draft.external_id, draft.name, draft.parent_external_id) for draft in unique.values()]
    if rows:
        sql = _CATEGORIES + ("DO NOTHING" if keep_existing else _OVERWRITE)
        bulk_cursor().execute(sql, [workspace_id, *columns(rows, 4)])
