"""One form for each meaning: canonical leaves under a stable hash, and the boolean tree that refers to them. Pure.

Equal leaves of one rule, or of many segments, are computed once: by the set compiler now, by the live evaluator later.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeAlias

from kapelle.segments.contracts.rule import (
    AllOf,
    AnyOf,
    AttributeLeaf,
    Between,
    Comparison,
    EventLeaf,
    Last,
    Leaf,
    Node,
    Not,
    OrderLeaf,
    SegmentLeaf,
    Value,
    Window,
)

_UNITS = (("days", 86_400), ("hours", 3600), ("minutes", 60))


@dataclass(frozen=True, slots=True)
class Ref:
    """A leaf, by its hash."""

    key: str


@dataclass(frozen=True, slots=True)
class Group:
    """`every`: all children hold; else at least one."""

    every: bool
    children: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Inverse:
    """The child does not hold."""

    child: Tree


Tree: TypeAlias = "Ref | Group | Inverse"


@dataclass(frozen=True, slots=True)
class Canonical:
    """A rule ready for a compiler."""

    leaves: dict[str, Leaf]
    tree: Tree


def canonicalize(rule: Node) -> Canonical:
    """Share equal leaves, sort what has no order, flatten groups in groups, drop double negations."""
    leaves: dict[str, Leaf] = {}
    return Canonical(leaves, _tree(rule, leaves))


def leaf_key(leaf: Leaf) -> str:
    """32 hex digits, the same for the same meaning, for ever."""
    text = json.dumps(node_json(_normal(leaf)), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def node_json(node: Node) -> dict[str, Any]:
    """The rule as JSON again, complete: defaults are written out."""
    if isinstance(node, AllOf | AnyOf):
        return {"and" if isinstance(node, AllOf) else "or": [node_json(child) for child in node.children]}
    if isinstance(node, Not):
        return {"not": node_json(node.child)}
    if isinstance(node, AttributeLeaf):
        return {"attribute": node.name, **_comparison_json(node.comparison)}
    if isinstance(node, SegmentLeaf):
        return {"segment": str(node.segment_id)}
    if isinstance(node, OrderLeaf):
        return {
            "orders": node.measure.value,
            "op": node.op.value,
            "value": _number_json(node.value),
            "within": _window_json(node.window),
            "status": list(node.statuses),
            "currency": node.currency,
        }
    return {
        "event": node.name,
        "op": node.op.value,
        "times": node.times,
        "within": _window_json(node.window),
        "where": [{"property": ".".join(test.path), **_comparison_json(test.comparison)} for test in node.where],
    }


def _tree(node: Node, leaves: dict[str, Leaf]) -> Tree:
    if isinstance(node, Not):
        child = _tree(node.child, leaves)
        return child.child if isinstance(child, Inverse) else Inverse(child)
    if isinstance(node, AllOf | AnyOf):
        every = isinstance(node, AllOf)
        found: dict[Tree, None] = {}  # an ordered set
        for child in (_tree(child, leaves) for child in node.children):
            parts = child.children if isinstance(child, Group) and child.every == every else (child,)
            found.update(dict.fromkeys(parts))
        children = tuple(sorted(found, key=repr))
        return children[0] if len(children) == 1 else Group(every, children)
    leaf = _normal(node)
    key = leaf_key(leaf)
    leaves[key] = leaf
    return Ref(key)


def _normal(leaf: Leaf) -> Leaf:
    if isinstance(leaf, AttributeLeaf):
        return replace(leaf, comparison=_sorted_list(leaf.comparison))
    if isinstance(leaf, OrderLeaf):
        return replace(leaf, statuses=tuple(sorted(set(leaf.statuses))))
    if isinstance(leaf, EventLeaf):
        # By their text: to Python, 1 and True are equal.
        tests = {repr(test): test for test in (replace(t, comparison=_sorted_list(t.comparison)) for t in leaf.where)}
        return replace(leaf, where=tuple(tests[text] for text in sorted(tests)))
    return leaf


def _sorted_list(comparison: Comparison) -> Comparison:
    if not isinstance(comparison.value, tuple):
        return comparison
    return replace(comparison, value=tuple(sorted(set(comparison.value), key=lambda item: (type(item).__name__, item))))


def _comparison_json(comparison: Comparison) -> dict[str, Any]:
    if comparison.value is None:
        return {"op": comparison.op.value}
    return {"op": comparison.op.value, "value": _value_json(comparison.value)}


def _value_json(value: Value) -> Any:
    if isinstance(value, tuple):
        return [_value_json(item) for item in value]
    if isinstance(value, Decimal):
        return _number_json(value)
    if isinstance(value, Last | Between):
        return _window_json(value)
    if isinstance(value, datetime):
        return _time_json(value)
    return value.isoformat() if isinstance(value, date) else value


def _number_json(value: Decimal) -> Any:
    """Whole numbers as int, others as the shortest float, which reads back as the same Decimal: it came from JSON."""
    return int(value) if value == value.to_integral_value() else float(value)


def _window_json(window: Window | None) -> Any:
    if window is None:
        return None
    if isinstance(window, Last):
        unit, size = next(pair for pair in _UNITS if window.seconds % pair[1] == 0)
        return {unit: window.seconds // size}
    bounds = {"from": window.start, "to": window.end}
    return {name: _time_json(moment) for name, moment in bounds.items() if moment is not None}


def _time_json(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
