"""The importer of files of products, with their categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.catalog.actions.importing.undoing import undo_catalog
from kapelle.catalog.actions.product_changes import record_product_changes
from kapelle.catalog.actions.products import Image, lay_product_over, load_products, upsert_categories, write_products
from kapelle.catalog.contracts import CategoryDraft, ProductDraft
from kapelle.customers.actions.importing.drafts import ATTRIBUTES, cell_of, column_of, convert_text, converter
from kapelle.events.actions import open_batch
from kapelle.imports.actions.changes import record_changes
from kapelle.imports.actions.mapping import find_field
from kapelle.imports.contracts import ChunkOutcome, Difference, FieldType, RowRejected, TargetField

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from kapelle.imports.contracts import Change, ImportContext, ParsedRow, UndoOutcome

T = FieldType.TEXT
PRODUCT_FIELDS: tuple[TargetField, ...] = (
    TargetField(
        "external_id",
        T,
        "the shop's id of the product",
        ("productid", "id", "stockcode", "itemid", "article", "артикул", "код", "кодтовара", "idтовара"),
        required=True,
    ),
    TargetField(
        "name", T, "the product's name", ("productname", "title", "description", "itemname", "название", "наименование")
    ),
    TargetField("sku", T, "stock keeping unit", ("barcode", "ean", "gtin", "upc", "штрихкод")),
    TargetField("brand", T, "brand or maker", ("vendor", "manufacturer", "бренд", "производитель")),
    TargetField(
        "category_external_id",
        T,
        "the category, by id or name",
        ("category", "categoryid", "productcategory", "категория"),
    ),
    TargetField("price", FieldType.NUMBER, "price of one", ("unitprice", "cost", "цена")),
    TargetField("currency", T, "three letters, such as EUR", ("currencycode", "валюта")),
    TargetField("url", T, "page in the shop", ("link", "producturl", "ссылка")),
    TargetField("image_url", T, "picture", ("image", "imagelink", "picture", "photo", "картинка", "изображение")),
    TargetField(
        "is_available",
        FieldType.BOOLEAN,
        "whether it can be bought",
        ("available", "instock", "active", "вналичии", "наличие"),
    ),
    ATTRIBUTES,
)


class ProductsImporter:
    """One row is one product, found by the shop's own id."""

    kind = "products"
    fields = PRODUCT_FIELDS
    chunk_rows = 2000
    undo_order: tuple[str, ...] = ("products",)

    def parser(self, context: ImportContext, columns: dict[str, int]) -> Callable[[list[str]], ProductDraft]:
        read = [(name, at, self._converter(context, name)) for name, at in columns.items() if name != "external_id"]
        id_at = columns["external_id"]
        with_price = "price" in columns

        def parse(cells: list[str]) -> ProductDraft:
            number = convert_text(cells[id_at].strip())
            if not number:
                raise RowRejected("no_product_id", "the row has no product id")
            draft = ProductDraft(number, currency=context.currency if with_price else None)
            for name, at, convert in read:
                if text := cell_of(cells, at):
                    if name.startswith("attributes."):
                        value = convert(text)
                        draft.attributes[name.removeprefix("attributes.")] = (
                            value if isinstance(value, bool) else str(value)
                        )
                    else:
                        setattr(draft, name, convert(text))
            if draft.price is not None and draft.price < 0:
                raise RowRejected("negative_price", f"the price {draft.price} is below zero")
            return draft

        return parse

    def write(self, context: ImportContext, rows: Sequence[ParsedRow]) -> ChunkOutcome:
        batch = open_batch(source=context.source, now=context.now)
        outcome, before, after = _plan(context, rows)
        write_products(batch, list(after.values()))
        record_product_changes(batch, [(before[number], after[number]) for number in after])
        names = {row.record.category_external_id for row in rows if row.record.category_external_id}
        upsert_categories(batch, [CategoryDraft(name, name) for name in sorted(names)], keep_existing=True)
        images: list[tuple[UUID, dict[str, Any] | None]] = [(after[number]["id"], before[number]) for number in after]
        record_changes(workspace_id=context.workspace_id, job_id=context.job_id, table="products", rows=images)
        outcome.differences = []
        return outcome

    def compare(self, context: ImportContext, rows: Sequence[ParsedRow]) -> ChunkOutcome:
        return _plan(context, rows)[0]

    def finish(self, context: ImportContext, after: str) -> str | None:  # nothing is left to do
        return None

    def undo(self, context: ImportContext, changes: Sequence[Change]) -> UndoOutcome:
        return undo_catalog(context, changes)

    def undo_events(self, context: ImportContext, limit: int) -> int:  # it makes no events
        return 0

    def _converter(self, context: ImportContext, target: str) -> Callable[[str], Any]:
        kind: str = find_field(self, target).type
        if target.startswith("attributes."):
            kind = context.mapping.attribute_types.get(target.removeprefix("attributes."), "text")
        return converter(context, column_of(context, target), kind)


def _plan(
    context: ImportContext, rows: Sequence[ParsedRow]
) -> tuple[ChunkOutcome, dict[str, Image | None], dict[str, Image]]:
    """The outcome, and by product what stood there and what shall stand there, for those that differ."""
    stored = load_products([row.record.external_id for row in rows])
    outcome = ChunkOutcome(entities={"products_created": 0, "products_updated": 0})
    before: dict[str, Image | None] = {}
    after: dict[str, Image] = {}
    for row in rows:
        draft: ProductDraft = row.record
        old = after.get(draft.external_id) or stored.get(draft.external_id)
        new, changed = lay_product_over(old, draft, context.source)
        if not changed:
            outcome.unchanged += 1
            continue
        before.setdefault(draft.external_id, old)
        after[draft.external_id] = new
        if old is None:
            outcome.created += 1
            outcome.entities["products_created"] += 1
            continue
        outcome.updated += 1
        outcome.entities["products_updated"] += before[draft.external_id] is not None
        outcome.differences += [
            Difference(row.number, f"product {draft.external_id}", name, _shown(old, name), _shown(new, name))
            for name in changed
        ]
    return outcome, before, after


def _shown(image: Image, name: str) -> Any:
    value = image["attributes"].get(name.removeprefix("attributes.")) if name.startswith("attributes.") else image[name]
    return value if value is None or isinstance(value, bool) else str(value)
