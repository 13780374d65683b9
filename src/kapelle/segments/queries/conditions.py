"""Leaves to ClickHouse conditions. Every value becomes a bound parameter; no text of a rule enters the SQL.

A condition is never NULL: what is missing or of another type makes it false, and `ne`, `not_in`, `not_exists` are the
exact opposites of `eq`, `in`, `exists`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kapelle.segments.contracts.rule import (
    ATTRIBUTES,
    CUSTOM_PREFIX,
    AttributeKind,
    AttributeLeaf,
    Between,
    Comparison,
    EventLeaf,
    Last,
    Op,
    OrderLeaf,
    PropertyTest,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SYMBOLS = {Op.EQ: "=", Op.NE: "!=", Op.GT: ">", Op.GTE: ">=", Op.LT: "<", Op.LTE: "<="}
_OPPOSITES = {Op.NE: Op.EQ, Op.NOT_IN: Op.IN, Op.NOT_EXISTS: Op.EXISTS}
_NUMBER = "Decimal(38, 9)"
_TIME = "DateTime64(6, 'UTC')"


class Parameters:
    """Collects values under names; `bind` gives the placeholder."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def bind(self, value: object, kind: str) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"{{{name}:{kind}}}"

    def text(self, value: object) -> str:
        return self.bind(value, "String")

    def number(self, value: object) -> str:
        return self.bind(str(value), _NUMBER)

    def time(self, moment: datetime) -> str:
        return self.bind(moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"), _TIME)


class Conditions:
    """Builds the conditions of one query at one `now`."""

    def __init__(self, parameters: Parameters, now: datetime) -> None:
        self._bind = parameters
        self._now = now

    def attribute(self, leaf: AttributeLeaf) -> str:
        """On a row of `customers`."""
        if leaf.name.startswith(CUSTOM_PREFIX):
            return self._json("attributes", tuple(leaf.name.split(".")[1:]), leaf.comparison)
        kind = ATTRIBUTES[leaf.name]
        build = {
            AttributeKind.TEXT: self._text_column,
            AttributeKind.BOOLEAN: self._boolean_column,
            AttributeKind.TIME: self._time_column,
            AttributeKind.DATE: self._date_column,
        }[kind]
        return _with_opposites(leaf.comparison, lambda comparison: build(leaf.name, comparison))

    def event(self, leaf: EventLeaf) -> str:
        """On a row of `events`."""
        parts = [f"name = {self._bind.text(leaf.name)}", *self.window("occurred_at", leaf.window)]
        return " AND ".join([*parts, *(self._property(test) for test in leaf.where)])

    def order(self, leaf: OrderLeaf) -> str:
        """On a row of `orders`."""
        parts = self.window("ordered_at", leaf.window)
        if leaf.statuses:
            parts.append(f"status IN {self._bind.bind(list(leaf.statuses), 'Array(String)')}")
        if leaf.currency:
            parts.append(f"currency = {self._bind.text(leaf.currency)}")
        return " AND ".join(parts)

    def window(self, column: str, window: Window | None) -> list[str]:
        """Conditions that hold a time column to the window; nothing after now counts."""
        parts = []
        if (start := lower_bound(window, self._now)) is not None:
            parts.append(f"{column} {'>' if isinstance(window, Last) else '>='} {self._bind.time(start)}")
        if isinstance(window, Between) and window.end is not None:
            parts.append(f"{column} < {self._bind.time(window.end)}")
        return [*parts, f"{column} <= {self._bind.time(self._now)}"]

    def _property(self, test: PropertyTest) -> str:
        return self._json("properties", test.path, test.comparison)

    def _text_column(self, column: str, comparison: Comparison) -> str:
        value = comparison.value
        if comparison.op is Op.EXISTS:
            return f"{column} != ''"
        if comparison.op is Op.IN:
            return f"{column} IN {self._bind.bind(_texts(value), 'Array(String)')}"
        if comparison.op is Op.CONTAINS:
            return f"position({column}, {self._bind.text(value)}) > 0"
        if comparison.op is Op.STARTS_WITH:
            return f"startsWith({column}, {self._bind.text(value)})"
        return f"{column} = {self._bind.text(value)}"

    def _boolean_column(self, column: str, comparison: Comparison) -> str:
        return f"{column} = {int(bool(comparison.value))}"

    def _time_column(self, column: str, comparison: Comparison) -> str:
        if comparison.op is Op.EXISTS:
            return f"isNotNull({column})"
        if isinstance(comparison.value, Last | Between):
            inside = " AND ".join(self.window(column, comparison.value))
        else:
            moment = comparison.value
            assert isinstance(moment, datetime)  # noqa: S101  # the parser's promise
            inside = f"{column} {SYMBOLS[comparison.op]} {self._bind.time(moment)}"
        return f"ifNull({inside}, 0)"

    def _date_column(self, column: str, comparison: Comparison) -> str:
        if comparison.op is Op.EXISTS:
            return f"{column} != ''"
        day = comparison.value
        assert isinstance(day, date)  # noqa: S101  # the parser's promise
        return f"({column} != '' AND {column} {SYMBOLS[comparison.op]} {self._bind.text(day.isoformat())})"

    def _json(self, column: str, path: tuple[str, ...], comparison: Comparison) -> str:
        return _with_opposites(comparison, lambda plain: f"({self._json_plain(column, path, plain)})")

    def _json_plain(self, column: str, path: tuple[str, ...], comparison: Comparison) -> str:
        op, value = comparison.op, comparison.value
        at = ", ".join([column, *(self._bind.text(part) for part in path)])
        if op is Op.EXISTS:
            return f"JSONType({at}) != 'Null'"
        if isinstance(value, bool):
            return f"JSONExtractRaw({at}) = '{str(value).lower()}'"
        if isinstance(value, Decimal):
            return self._json_number(column, path, f"{SYMBOLS[op]} {self._bind.number(value)}")
        if op is Op.IN:
            return self._json_in(column, path, at, value)
        text = f"JSONExtractString({at})"
        if op is Op.CONTAINS:
            part = self._bind.text(value)
            member = f"JSONType(x) = 'String' AND JSONExtractString(x) = {part}"
            return (
                f"(position({text}, {part}) > 0 AND JSONType({at}) = 'String')"
                f" OR (JSONType({at}) = 'Array' AND arrayExists(x -> {member}, JSONExtractArrayRaw({at})))"
            )
        if op is Op.STARTS_WITH:
            return f"startsWith({text}, {self._bind.text(value)}) AND JSONType({at}) = 'String'"
        return f"{text} {SYMBOLS[op]} {self._bind.text(value)} AND JSONType({at}) = 'String'"

    def _json_number(self, column: str, path: tuple[str, ...], test: str) -> str:
        if column == "properties" and len(path) == 1:
            key = self._bind.text(path[0])
            return f"mapContains(numbers, {key}) AND numbers[{key}] {test}"
        at = ", ".join([column, *(self._bind.text(part) for part in path)])
        return f"ifNull(toDecimal128OrNull(JSONExtractRaw({at}), 9) {test}, 0)"

    def _json_in(self, column: str, path: tuple[str, ...], at: str, value: object) -> str:
        assert isinstance(value, tuple)  # noqa: S101  # the parser's promise
        texts = [item for item in value if isinstance(item, str)]
        numbers = [str(item) for item in value if isinstance(item, Decimal)]
        parts = []
        if texts:
            listed = self._bind.bind(texts, "Array(String)")
            parts.append(f"(JSONExtractString({at}) IN {listed} AND JSONType({at}) = 'String')")
        if numbers:
            listed = self._bind.bind(numbers, "Array(String)")
            test = f"IN (SELECT arrayJoin({listed})::{_NUMBER})"
            parts.append(f"({self._json_number(column, path, test)})")
        return " OR ".join(parts)


def lower_bound(window: Window | None, now: datetime) -> datetime | None:
    """The window's first moment, None if it has none."""
    return now - timedelta(seconds=window.seconds) if isinstance(window, Last) else window.start if window else None


def _with_opposites(comparison: Comparison, build: Callable[[Comparison], str]) -> str:
    opposite = _OPPOSITES.get(comparison.op)
    return f"NOT ({build(Comparison(opposite, comparison.value))})" if opposite else build(comparison)


def _texts(value: object) -> list[str]:
    assert isinstance(value, tuple)  # noqa: S101  # the parser's promise
    return [str(item) for item in value]
