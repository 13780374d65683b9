"""Reads the values of a rule's JSON, each mistake named by its path (`rule.and[1].times`). Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from kapelle.kernel.errors import Invalid
from kapelle.segments.contracts.rule import (
    MAX_LIST,
    NUMBER_LIMIT,
    NUMBER_PLACES,
    AttributeKind,
    Between,
    Comparison,
    Last,
    Op,
    Scalar,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import StrEnum

EnumT = TypeVar("EnumT", bound="StrEnum")

MAX_TEXT = 1000
MAX_SECONDS = 100 * 366 * 86_400
UNITS = {"minutes": 60, "hours": 3600, "days": 86_400}

_EXISTENCE = {Op.EXISTS, Op.NOT_EXISTS}
_EQUALITY = {Op.EQ, Op.NE}
_ORDER = {Op.GT, Op.GTE, Op.LT, Op.LTE}
_LISTS = {Op.IN, Op.NOT_IN}
_TEXT_ONLY = {Op.CONTAINS, Op.STARTS_WITH}
OPS = {
    AttributeKind.TEXT: _EXISTENCE | _EQUALITY | _LISTS | _TEXT_ONLY,
    AttributeKind.BOOLEAN: _EQUALITY,
    AttributeKind.TIME: _EXISTENCE | _ORDER | {Op.WITHIN},
    AttributeKind.DATE: _EXISTENCE | _EQUALITY | _ORDER,
    AttributeKind.CUSTOM: _EXISTENCE | _EQUALITY | _ORDER | _LISTS | _TEXT_ONLY,
}


_EXACT = Context(prec=400)


class InvalidRule(Invalid):
    """The rule cannot be used; `path` says where."""

    code = "invalid_rule"


def fail(path: str, message: str) -> NoReturn:
    """Refuse the rule at this place."""
    raise InvalidRule(f"{path}: {message}", path=path)


def read_object(raw: Any, path: str, *, required: set[str], optional: set[str]) -> dict[str, Any]:
    """An object with these keys and no others."""
    if not isinstance(raw, dict):
        fail(path, "must be an object")
    for key in raw:
        if key not in required | optional:
            fail(f"{path}.{key}", f"is not known here; known are {', '.join(sorted(required | optional))}")
    for key in sorted(required):
        if key not in raw:
            fail(f"{path}.{key}", "is missing")
    return raw


def read_enum(raw: Any, path: str, kind: type[EnumT], allowed: set[EnumT] | None = None) -> EnumT:
    """One of the enum's values, or of those allowed."""
    choices = [item for item in kind if allowed is None or item in allowed]
    for item in choices:
        if raw == item.value:
            return item
    fail(path, f"must be one of {', '.join(item.value for item in choices)}")


def read_text(raw: Any, path: str, *, may_be_empty: bool = False) -> str:
    """A text without NUL, which PostgreSQL cannot hold, and of sane length."""
    if not isinstance(raw, str) or "\0" in raw or len(raw) > MAX_TEXT or not (raw or may_be_empty):
        fail(path, f"must be a text of {0 if may_be_empty else 1} to {MAX_TEXT} characters")
    if not raw.isprintable() and any("\ud800" <= char <= "\udfff" for char in raw):
        fail(path, "is not valid Unicode")
    return raw


def read_integer(raw: Any, path: str, low: int, high: int) -> int:
    """A whole number within bounds."""
    if isinstance(raw, bool) or not isinstance(raw, int) or not low <= raw <= high:
        fail(path, f"must be a whole number from {low} to {high}")
    return raw


def read_number(raw: Any, path: str) -> Decimal:
    """A number that fits columnar's Decimal(38, 9)."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        fail(path, "must be a number")
    number = Decimal(repr(raw)) if isinstance(raw, float) else Decimal(raw)
    exponent = _EXACT.normalize(number).as_tuple().exponent
    if not number.is_finite() or abs(number) >= NUMBER_LIMIT or not isinstance(exponent, int):
        fail(path, "must be a number below 10 to the 29th")
    if exponent < -NUMBER_PLACES:
        fail(path, f"must have at most {NUMBER_PLACES} decimal places")
    return number or Decimal(0)  # no negative zero


def read_time(raw: Any, path: str) -> datetime:
    """An ISO time with its offset, or a date: its first moment in UTC."""
    try:
        moment = datetime.fromisoformat(raw) if isinstance(raw, str) else None
        if moment is not None and len(raw) == len("2026-01-01"):
            moment = moment.replace(tzinfo=UTC)
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    fail(path, "must be a time such as 2026-01-31T09:00:00Z, with its offset, or a date such as 2026-01-31")


def read_date(raw: Any, path: str) -> date:
    """An ISO date."""
    try:
        if isinstance(raw, str) and len(raw) == len("2026-01-01"):
            return date.fromisoformat(raw)
    except ValueError:
        pass
    fail(path, "must be a date such as 2026-01-31")


def read_window(raw: Any, path: str) -> Window:
    """`{"days": 30}` (or hours, minutes) up to now, or `{"from": ..., "to": ...}` with at least one of them."""
    found = read_object(raw, path, required=set(), optional={*UNITS, "from", "to"})
    units = [unit for unit in UNITS if unit in found]
    if len(units) == 1 and len(found) == 1:
        unit = units[0]
        return Last(read_integer(found[unit], f"{path}.{unit}", 1, MAX_SECONDS // UNITS[unit]) * UNITS[unit])
    if units or not found:
        fail(path, 'must be like {"days": 30}, with one of days, hours, minutes, or like {"from": ..., "to": ...}')
    start = read_time(found["from"], f"{path}.from") if "from" in found else None
    end = read_time(found["to"], f"{path}.to") if "to" in found else None
    if start is not None and end is not None and end <= start:
        fail(f"{path}.to", "must be after `from`")
    return Between(start, end)


def read_list(raw: Any, path: str, read: Callable[[Any, str], Scalar]) -> tuple[Scalar, ...]:
    """A list of 1 to 1,000 values."""
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_LIST:
        fail(path, f"must be a list of 1 to {MAX_LIST} values")
    return tuple(read(item, f"{path}[{index}]") for index, item in enumerate(raw))


def read_comparison(raw: dict[str, Any], path: str, kind: AttributeKind) -> Comparison:
    """`op` and `value` of an attribute or property of this kind."""
    op = read_enum(raw.get("op"), f"{path}.op", Op, OPS[kind])
    if op in _EXISTENCE:
        if "value" in raw:
            fail(f"{path}.value", f"has no place beside {op.value}")
        return Comparison(op)
    if "value" not in raw:
        fail(f"{path}.value", "is missing")
    value, at = raw["value"], f"{path}.value"
    if op is Op.WITHIN:
        return Comparison(op, read_window(value, at))
    if op in _LISTS:
        return Comparison(op, read_list(value, at, read_text if kind is AttributeKind.TEXT else _read_listed))
    if op in _TEXT_ONLY:
        return Comparison(op, read_text(value, at))
    return Comparison(op, _read_scalar(value, at, kind, may_be_boolean=op in _EQUALITY))


def _read_listed(raw: Any, path: str) -> Scalar:
    return read_text(raw, path, may_be_empty=True) if isinstance(raw, str) else read_number(raw, path)


def _read_scalar(raw: Any, path: str, kind: AttributeKind, *, may_be_boolean: bool) -> Scalar:
    if kind is AttributeKind.TEXT:
        return read_text(raw, path)
    if kind is AttributeKind.TIME:
        return read_time(raw, path)
    if kind is AttributeKind.DATE:
        return read_date(raw, path)
    if isinstance(raw, bool):
        if not may_be_boolean:
            fail(path, "cannot be ordered: true and false go with eq and ne")
        return raw
    if kind is AttributeKind.BOOLEAN:
        fail(path, "must be true or false")
    if not isinstance(raw, str | int | float):
        fail(path, "must be a text, a number, true or false")
    return _read_listed(raw, path)
