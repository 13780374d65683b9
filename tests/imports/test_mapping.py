"""Guessing which column is which, and refusing mappings that cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest

from kapelle.imports.actions.mapping import check_mapping, complete_mapping, decode_mapping, guess_mapping
from kapelle.imports.contracts import Mapping, MappingInvalid, get_importer

RETAIL = ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country"]
RETAIL_2 = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]


@pytest.mark.parametrize("header", [RETAIL, RETAIL_2])
def test_the_columns_of_a_retail_export_are_known(header: list[str], database: str) -> None:
    mapping, notes = guess_mapping(get_importer("orders"), header, [])
    assert [mapping.columns[name] for name in header] == [
        "order.external_id",
        "line.product_external_id",
        "line.name",
        "line.quantity",
        "order.ordered_at",
        "line.unit_price",
        "customer.user_id",
        "customer.country",
    ]
    assert notes == []


def test_russian_words_are_known_and_the_rest_become_custom_fields_with_types(database: str) -> None:
    header = ["Имя", "Фамилия", "Дата рождения", "Телефон", "контакт", "Баллы", "VIP", "Индекс"]
    sample = [
        ["Анна", "Иванова", "01.02.1990", "+79161234567", f"a{n}@example.org", str(n), "да", f"0{n}"] for n in range(9)
    ]
    mapping, _ = guess_mapping(get_importer("customers"), header, sample)
    assert mapping.columns == {
        "Имя": "first_name",
        "Фамилия": "last_name",
        "Дата рождения": "birth_date",
        "Телефон": "phone",
        "контакт": "email",
        "Баллы": "attributes.баллы",
        "VIP": "attributes.vip",
        "Индекс": "attributes.индекс",
    }
    assert mapping.attribute_types == {"баллы": "number", "vip": "boolean"}


def test_formats_are_completed_from_the_sample_and_doubts_are_told(database: str) -> None:
    mapping = Mapping(columns={"no": "order.external_id", "when": "order.ordered_at", "price": "line.unit_price"})
    sample = [["1", "01/02/2026", "1.234,50"], ["2", "03/04/2026", "2,5"]]
    done, notes = complete_mapping(get_importer("orders"), mapping, ["no", "when", "price"], sample)
    assert (done.decimal, done.date_formats) == (",", {"when": "%d/%m/%Y"})
    assert notes == ["Column 'when': day and month cannot be told apart; it is read as %d/%m/%Y."]


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        ({"no": "order.external_id", "gone": "order.ordered_at"}, "gone"),
        ({"no": "order.external_id"}, "order.ordered_at"),
        ({"no": "order.external_id", "when": "order.ordered_at", "x": "order.colour"}, "order.colour"),
        ({"no": "order.external_id", "when": "order.ordered_at", "x": "order.ordered_at"}, "order.ordered_at"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_with_the_word_that_is_wrong(
    columns: dict[str, str], word: str, database: str
) -> None:
    with pytest.raises(MappingInvalid, match=word):
        check_mapping(get_importer("orders"), Mapping(columns=columns), ["no", "when", "x"])


@pytest.mark.parametrize("data", [[], {}, {"columns": []}, {"columns": {}, "colums": {}}, {"columns": {"a": 1}}])
def test_json_that_is_no_mapping_is_refused(data: Any) -> None:
    with pytest.raises(MappingInvalid):
        decode_mapping(data)


def test_custom_numbers_with_a_decimal_comma_are_numbers(database: str) -> None:
    header = ["email", "points", "share", "version", "day"]
    sample = [["a@x.test", "1 234,50", "0,5", "1.10.25", "31.12.25"], ["b@x.test", "7", "12", "2.11.30", "13.11.25"]]
    importer = get_importer("customers")
    mapping, _ = guess_mapping(importer, header, sample)
    assert {name: mapping.attribute_types.get(name) for name in ("points", "share", "version")} == {
        "points": "number",
        "share": "number",
        "version": None,
    }
    assert mapping.attribute_types["day"] == "date"
    assert complete_mapping(importer, mapping, header, sample)[0].decimal == ","
