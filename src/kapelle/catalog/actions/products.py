"""Upserts products and categories, set-wise, with the images that an import's undo needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.catalog.actions.event_properties import read_product, read_product_id
from kapelle.catalog.actions.product_changes import record_product_changes
from kapelle.events.actions import close_batch
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from uuid import UUID

    from kapelle.catalog.contracts import CategoryDraft, ProductDraft
    from kapelle.events.contracts import OpenBatch

FIELDS = (
    "group_external_id", "name", "description", "sku", "brand", "category_external_id", "price", "old_price",
    "currency", "stock", "url", "image_url", "is_available", "is_withdrawn", "feed",
)  # fmt: skip
_NUMBERS = dict.fromkeys(("price", "old_price", "stock"), "numeric")
_TYPES = {**_NUMBERS, "is_available": "boolean", "is_withdrawn": "boolean"}
_EMPTY: dict[str, Any] = {
    **dict.fromkeys(FIELDS, ""),
    **dict.fromkeys(_NUMBERS),
    "is_available": True,
    "is_withdrawn": False,
}

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
    INSERT INTO products (workspace_id, batch_id, updated_at, id, external_id, source, attributes, {", ".join(FIELDS)})
    SELECT %s, %s, %s, t.* FROM json_to_recordset(%s::json)
        AS t(id uuid, external_id text, source text, attributes jsonb, {_TYPED})
    ON CONFLICT (workspace_id, external_id) DO UPDATE SET batch_id = excluded.batch_id,
        updated_at = excluded.updated_at, source = excluded.source, attributes = excluded.attributes,
        {", ".join(f"{name} = excluded.{name}" for name in FIELDS)}
"""
_MAKE = _WRITE.partition("ON CONFLICT")[0] + "ON CONFLICT (workspace_id, external_id) DO NOTHING RETURNING id"
_CATEGORIES = """
    INSERT INTO categories AS c (workspace_id, batch_id, id, external_id, name, parent_external_id)
    SELECT %b, %b, * FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[])
    ON CONFLICT (workspace_id, external_id)
"""
_OVERWRITE = """
    DO UPDATE SET name = excluded.name, parent_external_id = excluded.parent_external_id, batch_id = excluded.batch_id
    WHERE (c.name, c.parent_external_id) <> (excluded.name, excluded.parent_external_id)
"""

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


def write_products(batch: OpenBatch, products: Sequence[Image]) -> None:
    """Insert or overwrite whole products; each external id once. Tells columnar of them."""
    if products:
        rows = msgspec.json.encode(list(products)).decode()
        bulk_cursor().execute(_WRITE, [batch.workspace_id, batch.id, batch.now, rows])
        close_batch(batch, {"products": len(products)})


def upsert_products(batch: OpenBatch, drafts: Sequence[ProductDraft]) -> int:
    """Create or change products; returns how many are different now."""
    stored = load_products([draft.external_id for draft in drafts])
    before: dict[str, Image | None] = {}
    changed: dict[str, Image] = {}
    for draft in drafts:
        old = stored.get(draft.external_id)
        after, fields = lay_product_over(old, draft, batch.source)
        stored[draft.external_id] = after
        if fields:
            before.setdefault(draft.external_id, old)
            changed[draft.external_id] = after
    write_products(batch, list(changed.values()))
    record_product_changes(batch, [(before[product], after) for product, after in changed.items()])
    return len(changed)


def ensure_products(batch: OpenBatch, drafts: Mapping[str, ProductDraft]) -> list[UUID]:
    """Make products that orders and lists name and that do not exist; returns the ids of the new ones."""
    missing = _missing(drafts)
    return _make(batch, [drafts[product] for product in missing]) if missing else []


def _missing(products: Collection[str]) -> set[str]:
    if not products:
        return set()
    known = bulk_cursor().execute(_KNOWN, [list(products), current_workspace()]).fetchall()
    return set(products).difference(row[0] for row in known)


def _make(batch: OpenBatch, drafts: Iterable[ProductDraft]) -> list[UUID]:
    images = [lay_product_over(None, draft, batch.source)[0] for draft in drafts]
    rows = msgspec.json.encode(images).decode()
    made = bulk_cursor().execute(_MAKE, [batch.workspace_id, batch.id, batch.now, rows]).fetchall()
    close_batch(batch, {"products": len(made)})
    return [row[0] for row in made]


def ensure_told_products(batch: OpenBatch, items: Iterable[dict[str, Any]]) -> None:
    """Make products that these objects of events speak of and that do not exist."""
    told: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        if product := read_product_id(item):
            told.setdefault(product, []).append(item)
    # Most are known: only of the others is read what the events say.
    missing = _missing(told)
    if missing:
        _make(batch, [_gather(map(read_product, told[product])) for product in missing])


def _gather(drafts: Iterable[ProductDraft | None]) -> ProductDraft:
    """One draft of all that is said of a product: what the first leaves out is taken from those that follow."""
    first, *others = (draft for draft in drafts if draft is not None)
    for draft in others:
        for name in FIELDS:
            setattr(first, name, getattr(first, name) or getattr(draft, name))
    return first


def upsert_categories(batch: OpenBatch, drafts: Sequence[CategoryDraft], *, keep_existing: bool = False) -> None:
    """Create categories, and rename those that exist unless they are to be kept; the last draft of one holds."""
    unique = {draft.external_id: draft for draft in drafts}
    rows = [(uuid7(), draft.external_id, draft.name, draft.parent_external_id) for draft in unique.values()]
    if not rows:
        return
    sql = _CATEGORIES + ("DO NOTHING" if keep_existing else _OVERWRITE)
    cursor = bulk_cursor().execute(sql, [batch.workspace_id, batch.id, *columns(rows, 4)])
    close_batch(batch, {"categories": cursor.rowcount})
