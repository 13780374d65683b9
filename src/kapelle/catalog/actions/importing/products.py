"""The importer of files of products, with their categories."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.catalog.actions.importing.feeds import Refused, refusal, sift, withdraw_missing
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
_APART = {"external_id", "params", "category.external_id", "category.name", "category.parent"}
PRODUCT_FIELDS: tuple[TargetField, ...] = (
    TargetField(
        "external_id",
        T,
        "the shop's id of the product",
        ("productid", "id", "stockcode", "itemid", "article", "артикул", "код", "кодтовара", "idтовара"),
        required=True,
    ),
    TargetField("name", T, "the product's name", ("productname", "title", "itemname", "название", "наименование")),
    TargetField("sku", T, "stock keeping unit", ("barcode", "ean", "gtin", "upc", "штрихкод")),
    TargetField("brand", T, "brand or maker", ("vendor", "manufacturer", "бренд", "производитель")),
    TargetField(
        "category_external_id",
        T,
        "the category, by id or name",
        ("category", "categoryid", "productcategory", "категория"),
    ),
    TargetField("price", FieldType.NUMBER, "price of one", ("unitprice", "cost", "цена")),
    TargetField(
        "old_price",
        FieldType.NUMBER,
        "price before a discount",
        ("oldprice", "compareatprice", "regularprice", "стараяцена"),
    ),
    TargetField("stock", FieldType.NUMBER, "how many are left", ("stockquantity", "quantity", "остаток", "количество")),
    TargetField(
        "group_external_id", T, "what variants of one thing share", ("groupid", "itemgroupid", "parentid", "группа")
    ),
    TargetField("description", T, "words about it", ("summary", "описание")),
    TargetField("params", T, "more fields, as a JSON object"),
    TargetField("category.external_id", T, "a row of a category: its id"),
    TargetField("category.name", T, "a row of a category: its name"),
    TargetField("category.parent", T, "a row of a category: the id of the one above it"),
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
    """One row is one product, found by the shop's own id, or a category. A feed says what is gone by leaving it out."""

    kind = "products"
    fields = PRODUCT_FIELDS
    chunk_rows = 2000
    brings_people = False
    undo_order: tuple[str, ...] = ("products",)

    def parser(self, context: ImportContext, columns: dict[str, int]) -> Callable[[list[str]], Any]:
        read = [(name, at, self._converter(context, name)) for name, at in columns.items() if name not in _APART]
        id_at = columns["external_id"]
        category_at = columns.get("category.external_id")
        params_at = columns.get("params")

        def parse(cells: list[str]) -> ProductDraft | CategoryDraft | Refused:
            if category_at is not None and cells[category_at].strip():
                return _read_category(cells, columns)
            number = convert_text(cells[id_at].strip())
            if not number:
                raise RowRejected("no_product_id", "the row has no product id")
            try:
                draft = ProductDraft(number, currency=context.currency if "price" in columns else None)
                for name, at, convert in read:
                    if text := cell_of(cells, at):
                        _set(draft, name, convert(text))
                if params_at is not None and cells[params_at]:
                    draft.attributes.update(_read_params(cells[params_at]))
                _check(draft, context)
            except RowRejected as error:
                if not context.mapping.feed:
                    raise
                return Refused(number, error.code, f"{number}: {error.reason}")  # it is in the feed all the same
            return draft

        return parse

    def write(self, context: ImportContext, rows: Sequence[ParsedRow]) -> ChunkOutcome:
        batch = open_batch(source=context.source, now=context.now)
        rows, failures = sift(context, rows)
        products = [row for row in rows if isinstance(row.record, ProductDraft)]
        told = [row.record for row in rows if isinstance(row.record, CategoryDraft)]
        outcome, before, after = _plan(context, products)
        write_products(batch, list(after.values()))
        record_product_changes(batch, [(before[number], after[number]) for number in after])
        upsert_categories(batch, told)
        upsert_categories(batch, _categories_of(products), keep_existing=True)
        images: list[tuple[UUID, dict[str, Any] | None]] = [(after[number]["id"], before[number]) for number in after]
        record_changes(workspace_id=context.workspace_id, job_id=context.job_id, table="products", rows=images)
        outcome.unchanged += len(told)
        outcome.failures = failures
        outcome.entities["categories_read"] = len(told)
        outcome.differences = []
        return outcome

    def compare(self, context: ImportContext, rows: Sequence[ParsedRow]) -> ChunkOutcome:
        products = [row for row in rows if isinstance(row.record, ProductDraft)]
        outcome = _plan(context, products)[0]
        outcome.failures = [refusal(row) for row in rows if isinstance(row.record, Refused)]
        outcome.unchanged += len(rows) - len(products) - len(outcome.failures)
        return outcome

    def finish(self, context: ImportContext, after: str) -> str | None:
        """What the feed lacks is withdrawn."""
        return withdraw_missing(context, after) if context.mapping.feed and context.is_complete else None

    def undo(self, context: ImportContext, changes: Sequence[Change]) -> UndoOutcome:
        return undo_catalog(context, changes)

    def undo_events(self, context: ImportContext, limit: int) -> int:  # it makes no events
        return 0

    def _converter(self, context: ImportContext, target: str) -> Callable[[str], Any]:
        kind: str = find_field(self, target).type
        if target.startswith("attributes."):
            kind = context.mapping.attribute_types.get(target.removeprefix("attributes."), "text")
        return converter(context, column_of(context, target), kind)


def _read_category(cells: list[str], columns: dict[str, int]) -> CategoryDraft:
    number, name, parent = (
        convert_text(cells[columns[field]].strip()) if field in columns else ""
        for field in ("category.external_id", "category.name", "category.parent")
    )
    return CategoryDraft(number, name or number, parent)


def _read_params(text: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise RowRejected("invalid_params", f"the further fields are no JSON object of texts: {error}") from error


def _set(draft: ProductDraft, name: str, value: Any) -> None:
    if name.startswith("attributes."):
        text = ", ".join(value) if isinstance(value, list) else value if isinstance(value, bool) else str(value)
        draft.attributes[name.removeprefix("attributes.")] = text
    else:
        setattr(draft, name, value)


def _check(draft: ProductDraft, context: ImportContext) -> None:
    """Raises RowRejected; a feed's product gets what being in the feed means."""
    for price in (draft.price, draft.old_price):
        if price is not None and price < 0:
            raise RowRejected("negative_price", f"the price {price} is below zero")
    if context.mapping.feed:
        if draft.price is None:
            raise RowRejected("no_price", "the offer has no price")
        draft.feed, draft.is_withdrawn = context.mapping.feed, False
    if draft.stock is not None and draft.stock < 0:
        draft.stock = Decimal(0)  # sold more often than it was there


def _categories_of(rows: Sequence[ParsedRow]) -> list[CategoryDraft]:
    """Categories that products name; "Home > Kitchen > Pans" names three, one in the other."""
    found: dict[str, CategoryDraft] = {}
    for row in rows:
        path: list[str] = []
        for word in (row.record.category_external_id or "").split(" > "):
            parent, path = " > ".join(path), [*path, word]
            name = " > ".join(path)
            if name and name not in found:
                found[name] = CategoryDraft(name, word, parent)
    return [found[name] for name in sorted(found)]


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
