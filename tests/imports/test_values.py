"""Reading cells: numbers and dates as people write them, and a clear no to everything else."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from kapelle.imports.actions.values import (
    guess_date_format,
    guess_decimal,
    parse_boolean,
    parse_datetime,
    parse_decimal,
    parse_integer,
)
from kapelle.imports.contracts import RowRejected


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("6.95", ".", "6.95"),
        ("1,234.50", ".", "1234.50"),
        ("1.234,50", ",", "1234.50"),
        ("1 234,50 ₽", ",", "1234.50"),
        ("€12.00", ".", "12.00"),
        ("USD 1,000", ".", "1000"),
        ("(15.30)", ".", "-15.30"),
        ("−4", ".", "-4"),
        ("12-", ".", "-12"),
        ("1.23456", ".", "1.2346"),
        ("1'000.5", ".", "1000.5"),
        ("5E+2", ".", "500"),
    ],
)
def test_numbers_as_people_write_them(text: str, decimal: str, value: str) -> None:
    assert parse_decimal(text, decimal) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "decimal"),
    [("abc", "."), ("1,5", "."), ("1.2.3", "."), ("12,34,5", "."), ("nan", "."), ("1e999", "."), ("", ".")],
)
def test_what_is_no_number_is_refused(text: str, decimal: str) -> None:
    with pytest.raises(RowRejected):
        parse_decimal(text, decimal)


def test_a_number_beyond_the_column_is_refused() -> None:
    with pytest.raises(RowRejected, match="too large"):
        parse_decimal("100000000000000")


@pytest.mark.parametrize("text", ["1.5", "1e20", "x"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(RowRejected):
        parse_integer(text)


@pytest.mark.parametrize(
    ("values", "sign"), [(["1,5", "2,25"], ","), (["1.234,50"], ","), (["1,234.50"], "."), (["1,234"], None)]
)
def test_the_decimal_sign_is_found(values: list[str], sign: str | None) -> None:
    assert guess_decimal(values) == sign


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["2026-11-22", "2026-11-23 10:00:00"], "iso"),
        (["22.11.2026", "01.02.2026"], "%d.%m.%Y"),
        (["11/22/2026", "01/02/2026"], "%m/%d/%Y"),
        (["22/11/2026 14:30"], "%d/%m/%Y %H:%M"),
        (["12/1/2010 8:26", "12/13/2010 9:00"], "%m/%d/%Y %H:%M"),
        (["Nov 22, 2026"], "%b %d, %Y"),
        (["20261122"], "iso"),
    ],
)
def test_the_date_format_is_found(values: list[str], form: str) -> None:
    assert guess_date_format(values) == (form, False)


def test_days_that_might_be_months_are_told() -> None:
    assert guess_date_format(["01/02/2026", "03/04/2026"]) == ("%d/%m/%Y", True)


def test_a_time_without_zone_is_in_the_given_one() -> None:
    assert parse_datetime("2026-07-01 12:00", "iso", "Europe/Berlin") == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert parse_datetime("2026-07-01T12:00:00+05:00", "iso", "Europe/Berlin") == datetime(2026, 7, 1, 7, tzinfo=UTC)


@pytest.mark.parametrize("text", ["31.02.2026", "yesterday", "0001-01-01", "9999-12-31"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(RowRejected):
        parse_datetime(text, "iso", "UTC")


def test_yes_and_no_in_two_languages() -> None:
    assert [parse_boolean(text) for text in ("Yes", "да", "0", "нет")] == [True, True, False, False]
    with pytest.raises(RowRejected):
        parse_boolean("maybe")
