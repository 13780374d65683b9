"""Turns the text of cells into numbers, dates and truth values, or says why not. Finds formats from samples."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kapelle.imports.contracts import MappingInvalid, RowRejected

if TYPE_CHECKING:
    from collections.abc import Iterable

ISO = "iso"
_PLACES = Decimal("0.0001")
_SMALLEST_EXPONENT = -4
_LIMIT = Decimal(10) ** 14  # numeric(18, 4)
_PLAIN = re.compile(r"[+-]?\d+(?:\.\d+)?")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?")
# Spaces of all widths, apostrophes that group thousands, and signs and codes of currencies.
_NOISE = re.compile(r"[\s\u00a0\u2009\u202f'’_]|руб\.?|р\.|₽|€|\$|£|¥|₴|₸|[A-Z]{3}\b|\b[A-Z]{3}")
_TRUE = frozenset(["1", "true", "t", "yes", "y", "on", "x", "да", "истина", "+", "v", "✓"])
_FALSE = frozenset(["0", "false", "f", "no", "n", "off", "нет", "ложь", "-"])
_NOTHING = frozenset(("", "null", "none", "n/a", "na", "nan", "nil", "-", "—", "#n/a", "\\n"))
_LONGEST_NOTHING = max(map(len, _NOTHING))

_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %H:%M:%S", "T%H:%M:%S")
_DATES = (
    "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d",
    "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y",
)  # fmt: skip
_FORMATS = (ISO, *(day + time for day in _DATES for time in _TIMES))
_EARLIEST, _LATEST = 1900, 2200
_FEW = 60  # different texts tell which formats can be meant


def is_nothing(text: str) -> bool:
    """Whether a trimmed cell says that there is no value."""
    return len(text) <= _LONGEST_NOTHING and text.lower() in _NOTHING


@lru_cache(maxsize=65536)  # quantities and prices repeat
def parse_decimal(text: str, decimal: str = ".") -> Decimal:
    """A number, maybe with currency signs, grouped thousands, a decimal comma, in brackets, to four places."""
    if _PLAIN.fullmatch(text) and (decimal == "." or "." not in text):
        value = Decimal(text)
    else:
        value = _parse_dressed(text, decimal)
    if abs(value) >= _LIMIT:
        raise RowRejected("number_too_large", f"{text!r} is too large: 14 digits before the point at most")
    exponent = value.as_tuple().exponent
    return value if isinstance(exponent, int) and _SMALLEST_EXPONENT <= exponent <= 0 else value.quantize(_PLACES)


def _parse_dressed(text: str, decimal: str) -> Decimal:
    bare = _NOISE.sub("", text.replace("−", "-"))
    negative = False
    if bare.startswith("(") and bare.endswith(")"):
        negative, bare = True, bare[1:-1]
    if bare.endswith("-"):
        negative, bare = not negative, bare[:-1]
    group = "," if decimal == "." else "."
    whole, mark, fraction = bare.partition(decimal)
    if group in fraction or (group in whole and not re.fullmatch(rf"[+-]?\d{{1,3}}(?:\{group}\d{{2,3}})+", whole)):
        raise RowRejected("not_a_number", f"{text!r} is not a number written with the decimal sign {decimal!r}")
    bare = whole.replace(group, "") + ("." if mark else "") + fraction
    if not _NUMBER.fullmatch(bare):
        raise RowRejected("not_a_number", f"{text!r} is not a number")
    try:
        value = Decimal(bare)
    except InvalidOperation as error:
        raise RowRejected("not_a_number", f"{text!r} is not a number") from error
    return -value if negative else value


def parse_integer(text: str) -> int:
    """A whole number; "3.0" is one, "3.5" is not."""
    value = parse_decimal(text)
    if value != value.to_integral_value() or abs(value) > 2**31 - 1:
        raise RowRejected("not_an_integer", f"{text!r} is not a whole number")
    return int(value)


def parse_boolean(text: str) -> bool:
    """Yes or no, in English or Russian, or 1 and 0."""
    lowered = text.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise RowRejected("not_a_boolean", f"{text!r} is neither yes nor no")


@lru_cache(maxsize=65536)
def parse_datetime(text: str, form: str, zone: str) -> datetime:
    """A moment, aware, in UTC. Text without an offset is in `zone`."""
    try:
        value = datetime.fromisoformat(text) if form == ISO else datetime.strptime(text, form)  # noqa: DTZ007
        if not _EARLIEST <= value.year <= _LATEST:
            raise RowRejected("date_out_of_range", f"{text!r} is not between {_EARLIEST} and {_LATEST}")
        if value.tzinfo is None:
            value = value.replace(tzinfo=get_zone(zone))
        return value.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        expected = "an ISO date such as 2026-11-22 09:30" if form == ISO else f"a date of the form {form}"
        raise RowRejected("not_a_date", f"{text!r} is not {expected}") from error


@lru_cache(maxsize=65536)
def parse_date(text: str, form: str) -> date:
    """A day; a time of day that comes with it is left out, not shifted."""
    try:
        value = datetime.fromisoformat(text) if form == ISO else datetime.strptime(text, form)  # noqa: DTZ007
    except ValueError as error:
        expected = "an ISO date such as 2026-11-22" if form == ISO else f"a date of the form {form}"
        raise RowRejected("not_a_date", f"{text!r} is not {expected}") from error
    if not _EARLIEST <= value.year <= _LATEST:
        raise RowRejected("date_out_of_range", f"{text!r} is not between {_EARLIEST} and {_LATEST}")
    return value.date()


@lru_cache(maxsize=256)
def get_zone(name: str) -> ZoneInfo:
    """The time zone of this name; raises MappingInvalid."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise MappingInvalid(f"{name!r} is not a time zone. Use a name such as Europe/Berlin.") from error


def guess_date_format(values: Iterable[str]) -> tuple[str | None, bool]:
    """The format that reads most of these texts, and whether day and month might as well stand the other way round."""
    texts = list({text: None for text in values if text})
    few = texts[:: max(len(texts) // _FEW, 1)]
    hits = Counter({form: sum(_reads(text, form) for text in few) for form in _FORMATS})
    form, count = hits.most_common(1)[0]  # ties: the first of _FORMATS
    if not texts or not count:
        return None, False
    twin = _twin(form)
    if twin == form:
        return form, False
    here, there = (sum(_reads(text, one) for text in texts) for one in (form, twin))
    return (form if here >= there else twin), here == there


def _twin(form: str) -> str:
    """The format with day and month the other way round."""
    for one, other in (("%d/%m", "%m/%d"), ("%d-%m", "%m-%d"), ("%d.%m", "%m.%d")):
        if one in form or other in form:
            return form.replace(one, other) if one in form else form.replace(other, one)
    return form


def _reads(text: str, form: str) -> bool:
    try:
        parse_date(text, form)
    except RowRejected:
        return False
    return True


def guess_decimal(values: Iterable[str]) -> str | None:
    """The decimal sign of these texts, "." or ","; None when none of them tells."""
    votes: Counter[str] = Counter()
    for text in values:
        bare = _NOISE.sub("", text).strip("()+-")
        if not re.fullmatch(r"[\d.,]+", bare) or not ("," in bare or "." in bare):
            continue
        last = max(bare.rfind(","), bare.rfind("."))
        sign, other = bare[last], "," if bare[last] == "." else "."
        if bare.count(sign) > 1:
            votes[other] += 1  # it groups thousands
        elif other in bare or len(bare) - last - 1 != 3 or bare.startswith("0"):  # noqa: PLR2004  # 1,234 tells nothing
            votes[sign] += 1
    return votes.most_common(1)[0][0] if votes else None
