"""Files of products: upsert by the shop's id, categories, undo."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kapelle.catalog.models import Category, Product

if TYPE_CHECKING:
    from imports.conftest import Importing

HEADER = "id;название;категория;цена;в наличии;color\n"


def _products(importing: Importing) -> list[dict[str, Any]]:
    with importing.scope():
        rows = list(Product.objects.order_by("external_id").values())
    return [{name: value for name, value in row.items() if name not in ("updated_at", "batch_id")} for row in rows]


def test_products_are_created_changed_left_and_taken_back(importing: Importing) -> None:
    first = importing.run("products", HEADER + "1;Чайник;Кухня;1 250,50;да;red\n2;Ложка;Кухня;10;нет;\n2;;;11;;\n")
    assert (first.rows_created, first.rows_updated, first.rows_failed) == (2, 1, 0)
    before = _products(importing)
    assert [(row["name"], row["price"], row["is_available"]) for row in before] == [
        ("Чайник", Decimal("1250.5"), True),
        ("Ложка", 11, False),
    ]
    assert before[0]["attributes"] == {"color": "red"}
    with importing.scope():
        assert list(Category.objects.values_list("name", flat=True)) == ["Кухня"]

    second = importing.run("products", HEADER + "1;Чайник;Кухня;1 250,50;да;blue\n3;Нож;;5;;\n2;;;;;\n")
    assert (second.rows_created, second.rows_updated, second.rows_unchanged) == (1, 1, 1)
    assert importing.undo(second).report["kept"] == []
    assert _products(importing) == before
    importing.undo(first)
    assert _products(importing) == []


def test_a_dry_run_shows_before_and_after(importing: Importing) -> None:
    importing.run("products", "id,name,price\n1,Kettle,10\n")
    job = importing.run("products", "id,name,price\n1,Kettle,12\n9,New,1\n7,Bad,-1\n", is_dry_run=True)
    assert (job.rows_created, job.rows_updated, job.rows_failed) == (1, 1, 1)
    assert {"row": 1, "what": "product 1", "field": "price", "before": "10.0000", "after": "12"} in job.report[
        "differences"
    ]
