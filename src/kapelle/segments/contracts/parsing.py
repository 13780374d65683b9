"""JSON to rule tree. Pure."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from kapelle.segments.contracts.reading import (
    fail,
    read_comparison,
    read_enum,
    read_integer,
    read_list,
    read_number,
    read_object,
    read_text,
    read_window,
)
from kapelle.segments.contracts.rule import (
    MAX_DEPTH,
    MAX_LEAVES,
    VERSION,
    AllOf,
    AnyOf,
    AttributeKind,
    AttributeLeaf,
    CountOp,
    EventLeaf,
    Measure,
    Node,
    Not,
    Op,
    OrderLeaf,
    PropertyTest,
    SegmentLeaf,
    attribute_kind,
    leaves,
)

_MAX_TIMES = 1_000_000
_MAX_TESTS = 20
_MAX_CHILDREN = 100
_MAX_LETTERS = 1024 * 1024  # long lists of people belong into a field of the customer
_NODE_KEYS = ("and", "or", "not", "attribute", "event", "orders", "segment")
_NUMBER_OPS = {Op.EQ, Op.NE, Op.GT, Op.GTE, Op.LT, Op.LTE}


def parse_rule(raw: Any) -> Node:
    """The rule, given bare or as `{"version": 1, "rule": {...}}`; raises InvalidRule."""
    given = raw
    if isinstance(raw, dict) and "rule" in raw:
        read_object(raw, "rule", required={"rule"}, optional={"version"})
        read_integer(raw.get("version", VERSION), "version", VERSION, VERSION)
        raw = raw["rule"]
    rule = _node(raw, "rule", 1)
    if (count := len(leaves(rule))) > MAX_LEAVES:
        fail("rule", f"has {count} conditions; at most {MAX_LEAVES} are allowed")
    if (size := len(json.dumps(given))) > _MAX_LETTERS:
        fail("rule", f"has {size} letters as JSON; at most {_MAX_LETTERS} are allowed")
    return rule


def _node(raw: Any, path: str, depth: int) -> Node:
    if depth > MAX_DEPTH:
        fail(path, f"is nested deeper than {MAX_DEPTH} levels")
    if not isinstance(raw, dict):
        fail(path, "must be an object")
    kinds = [key for key in _NODE_KEYS if key in raw]
    if len(kinds) != 1:
        fail(path, f"must have exactly one of {', '.join(_NODE_KEYS)}")
    kind = kinds[0]
    if kind in {"and", "or"}:
        children = read_object(raw, path, required={kind}, optional=set())[kind]
        if not isinstance(children, list) or not 1 <= len(children) <= _MAX_CHILDREN:
            fail(f"{path}.{kind}", f"must be a list of 1 to {_MAX_CHILDREN} conditions")
        parsed = tuple(_node(child, f"{path}.{kind}[{index}]", depth + 1) for index, child in enumerate(children))
        return AllOf(parsed) if kind == "and" else AnyOf(parsed)
    if kind == "not":
        return Not(_node(read_object(raw, path, required={"not"}, optional=set())["not"], f"{path}.not", depth + 1))
    if kind == "attribute":
        return _attribute(raw, path)
    if kind == "event":
        return _event(raw, path)
    return _orders(raw, path) if kind == "orders" else _segment(raw, path)


def _attribute(raw: Any, path: str) -> AttributeLeaf:
    found = read_object(raw, path, required={"attribute", "op"}, optional={"value"})
    name = read_text(found["attribute"], f"{path}.attribute")
    kind = attribute_kind(name)
    if kind is None:
        fail(f"{path}.attribute", f"{name!r} is no field of a customer; custom fields are written attributes.NAME")
    return AttributeLeaf(name, read_comparison(found, path, kind))


def _event(raw: Any, path: str) -> EventLeaf:
    found = read_object(raw, path, required={"event"}, optional={"op", "times", "within", "where"})
    op = read_enum(found.get("op", CountOp.AT_LEAST.value), f"{path}.op", CountOp)
    lowest = 1 if op is CountOp.AT_LEAST else 0
    times = read_integer(found.get("times", 1), f"{path}.times", lowest, _MAX_TIMES)
    tests = found.get("where") or []
    if not isinstance(tests, list) or len(tests) > _MAX_TESTS:
        fail(f"{path}.where", f"must be a list of at most {_MAX_TESTS} conditions")
    return EventLeaf(
        name=read_text(found["event"], f"{path}.event"),
        op=op,
        times=times,
        window=_optional_window(found, path),
        where=tuple(_property_test(test, f"{path}.where[{index}]") for index, test in enumerate(tests)),
    )


def _property_test(raw: Any, path: str) -> PropertyTest:
    found = read_object(raw, path, required={"property", "op"}, optional={"value"})
    parts = tuple(read_text(found["property"], f"{path}.property").split("."))
    if not all(parts):
        fail(f"{path}.property", "has an empty part between its dots")
    return PropertyTest(parts, read_comparison(found, path, AttributeKind.CUSTOM))


def _orders(raw: Any, path: str) -> OrderLeaf:
    found = read_object(raw, path, required={"orders", "op", "value"}, optional={"within", "status", "currency"})
    statuses = found.get("status") or []
    return OrderLeaf(
        measure=read_enum(found["orders"], f"{path}.orders", Measure),
        op=read_enum(found["op"], f"{path}.op", Op, _NUMBER_OPS),
        value=read_number(found["value"], f"{path}.value"),
        window=_optional_window(found, path),
        statuses=tuple(str(item) for item in read_list(statuses, f"{path}.status", read_text)) if statuses else (),
        currency=read_text(found["currency"], f"{path}.currency") if found.get("currency") else "",
    )


def _segment(raw: Any, path: str) -> SegmentLeaf:
    found = read_object(raw, path, required={"segment"}, optional=set())
    try:
        return SegmentLeaf(UUID(found["segment"]))
    except (ValueError, AttributeError, TypeError):
        fail(f"{path}.segment", "must be the id of a segment")


def _optional_window(found: dict[str, Any], path: str) -> Any:
    return None if found.get("within") is None else read_window(found["within"], f"{path}.within")
