"""The rule tree of a segment as Python values: what was asked, free of how it is answered. Pure: no Django, no SQL.

What each leaf means, to the letter, stands in docs/howto/segments.md; the compiler and its test oracle follow it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from kapelle.customers.contracts import PROFILE_TEXTS

if TYPE_CHECKING:
    from uuid import UUID

VERSION = 1
MAX_LEAVES = 100
MAX_DEPTH = 10
MAX_LIST = 1000
# Numbers are compared with nine decimal places; further ones are cut off.
NUMBER_PLACES = 9
NUMBER_LIMIT = Decimal(10) ** 29


class Op(StrEnum):
    """How a value is compared."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    IN = "in"
    NOT_IN = "not_in"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    WITHIN = "within"
    EXISTS = "exists"
    NOT_EXISTS = "not_exists"


class CountOp(StrEnum):
    """How often an event must have happened."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    EXACTLY = "exactly"


class Measure(StrEnum):
    """What is taken of a customer's orders."""

    COUNT = "count"
    SUM = "sum"


class AttributeKind(StrEnum):
    """What a customer's field holds, and so what it can be compared with."""

    TEXT = "text"
    BOOLEAN = "boolean"
    TIME = "time"
    DATE = "date"
    CUSTOM = "custom"  # JSON of any type


CUSTOM_PREFIX = "attributes."
ATTRIBUTES: dict[str, AttributeKind] = {
    **dict.fromkeys(PROFILE_TEXTS, AttributeKind.TEXT),
    "is_identified": AttributeKind.BOOLEAN,
    "created_at": AttributeKind.TIME,
    "registered_at": AttributeKind.TIME,
    "birth_date": AttributeKind.DATE,
}


def attribute_kind(name: str) -> AttributeKind | None:
    """The kind of a field by its name in rules; None if there is no such field."""
    if name.startswith(CUSTOM_PREFIX) and all(name.split(".")):
        return AttributeKind.CUSTOM
    return ATTRIBUTES.get(name)


@dataclass(frozen=True, slots=True)
class Last:
    """The time from `seconds` before now (not itself) up to now."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Between:
    """From `start` (itself included) to before `end`; None: open on that side. Nothing after now counts."""

    start: datetime | None
    end: datetime | None


Window: TypeAlias = Last | Between
Scalar: TypeAlias = str | Decimal | bool | date | datetime
Value: TypeAlias = Scalar | tuple[Scalar, ...] | Window | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`value` is None for exists and not_exists, a tuple for in and not_in, a Window for within."""

    op: Op
    value: Value = None


@dataclass(frozen=True, slots=True)
class AttributeLeaf:
    """A comparison of one field of the customer."""

    name: str
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class PropertyTest:
    """A comparison of one property of an event; a dotted path goes into nested objects."""

    path: tuple[str, ...]
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class EventLeaf:
    """How often an event that passes all of `where` happened within the window."""

    name: str
    op: CountOp
    times: int
    window: Window | None
    where: tuple[PropertyTest, ...]


@dataclass(frozen=True, slots=True)
class OrderLeaf:
    """The number of orders, or the sum of their totals, compared with a number."""

    measure: Measure
    op: Op
    value: Decimal
    window: Window | None
    statuses: tuple[str, ...]  # empty: any
    currency: str  # "": any


@dataclass(frozen=True, slots=True)
class SegmentLeaf:
    """Membership of another segment, by its rule as it is now."""

    segment_id: UUID


Leaf: TypeAlias = AttributeLeaf | EventLeaf | OrderLeaf | SegmentLeaf


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every child holds."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one child holds."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The child does not hold."""

    child: Node


Node: TypeAlias = "AllOf | AnyOf | Not | Leaf"


def leaves(node: Node) -> list[Leaf]:
    """All leaves, left to right, repeats included."""
    if isinstance(node, AllOf | AnyOf):
        return [leaf for child in node.children for leaf in leaves(child)]
    return leaves(node.child) if isinstance(node, Not) else [node]


def referred_segments(node: Node) -> set[UUID]:
    """The segments that this rule names itself."""
    return {leaf.segment_id for leaf in leaves(node) if isinstance(leaf, SegmentLeaf)}


def replace_segments(node: Node, rules: dict[UUID, Node]) -> Node:
    """The same rule with each named segment's rule in its place."""
    if isinstance(node, AllOf):
        return AllOf(tuple(replace_segments(child, rules) for child in node.children))
    if isinstance(node, AnyOf):
        return AnyOf(tuple(replace_segments(child, rules) for child in node.children))
    if isinstance(node, Not):
        return Not(replace_segments(node.child, rules))
    return replace_segments(rules[node.segment_id], rules) if isinstance(node, SegmentLeaf) else node
