"""The published JSON Schema of rules (draft 2020-12). A test holds it to the parser. Pure."""

from __future__ import annotations

from typing import Any

from kapelle.segments.contracts.reading import MAX_SECONDS, MAX_TEXT, OPS, UNITS
from kapelle.segments.contracts.rule import (
    ATTRIBUTES,
    MAX_LIST,
    NUMBER_LIMIT,
    VERSION,
    AttributeKind,
    CountOp,
    Measure,
    Op,
)

_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_NUMBER = {"type": "number", "exclusiveMinimum": -int(NUMBER_LIMIT), "exclusiveMaximum": int(NUMBER_LIMIT)}
_TEXT_OR_EMPTY = {"type": "string", "maxLength": MAX_TEXT}
_TIME = {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}
_DATE = {"type": "string", "format": "date"}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None, description: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }
    return {**made, "description": description} if description else made


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": MAX_LIST}


def _names(kind: AttributeKind) -> dict[str, Any]:
    if kind is AttributeKind.CUSTOM:
        return {"type": "string", "pattern": r"^attributes(\.[^.]+)+$", "maxLength": MAX_TEXT}
    return {"enum": [name for name, found in ATTRIBUTES.items() if found is kind]}


_VALUES: dict[AttributeKind, dict[str, Any]] = {
    AttributeKind.TEXT: _TEXT,
    AttributeKind.BOOLEAN: {"type": "boolean"},
    AttributeKind.TIME: _TIME,
    AttributeKind.DATE: _DATE,
    AttributeKind.CUSTOM: {"anyOf": [_TEXT_OR_EMPTY, _NUMBER]},
}


def _comparisons(subject: str, names: dict[str, Any], kind: AttributeKind) -> list[dict[str, Any]]:
    """One form for each sort of value that an operator takes."""
    value = _VALUES[kind]
    either = {"anyOf": [*value["anyOf"], {"type": "boolean"}]} if kind is AttributeKind.CUSTOM else value
    forms: list[tuple[set[Op], dict[str, Any] | None]] = [
        ({Op.EXISTS, Op.NOT_EXISTS}, None),
        ({Op.EQ, Op.NE}, either),
        ({Op.GT, Op.GTE, Op.LT, Op.LTE}, value),
        ({Op.IN, Op.NOT_IN}, _list(value)),
        ({Op.CONTAINS, Op.STARTS_WITH}, _TEXT),
        ({Op.WITHIN}, {"$ref": "#/$defs/window"}),
    ]
    made = []
    for ops, form in forms:
        allowed = sorted(ops & OPS[kind])
        if allowed:
            fields = {subject: names, "op": {"enum": [op.value for op in allowed]}}
            made.append(_object(fields if form is None else {**fields, "value": form}))
    return made


_WITHIN = {"anyOf": [{"$ref": "#/$defs/window"}, {"type": "null"}]}
_DEFS: dict[str, Any] = {
    "node": {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in ("group", "attribute", "event", "orders", "segment")]},
    "group": {
        "oneOf": [
            *(
                _object({name: {"type": "array", "items": {"$ref": "#/$defs/node"}, "minItems": 1, "maxItems": 100}})
                for name in ("and", "or")
            ),
            _object({"not": {"$ref": "#/$defs/node"}}),
        ]
    },
    "attribute": {
        "description": "A field of the customer; custom fields are written attributes.NAME.",
        "anyOf": [form for kind in AttributeKind for form in _comparisons("attribute", _names(kind), kind)],
    },
    "property": {
        "description": "A property of the event; a dotted path goes into nested objects.",
        "anyOf": _comparisons(
            "property",
            {"type": "string", "pattern": r"^[^.]+(\.[^.]+)*$", "maxLength": MAX_TEXT},
            AttributeKind.CUSTOM,
        ),
    },
    "event": _object(
        {"event": _TEXT},
        {
            "op": {"enum": [op.value for op in CountOp], "default": CountOp.AT_LEAST.value},
            "times": {"type": "integer", "minimum": 0, "maximum": 1_000_000, "default": 1},
            "within": _WITHIN,
            "where": {
                "anyOf": [
                    {"type": "array", "items": {"$ref": "#/$defs/property"}, "maxItems": 20},
                    {"type": "null"},
                ]
            },
        },
        "How often an event that meets all of `where` happened. at_least needs times of 1 or more.",
    ),
    "orders": _object(
        {
            "orders": {"enum": [measure.value for measure in Measure]},
            "op": {"enum": ["eq", "ne", "gt", "gte", "lt", "lte"]},
            "value": _NUMBER,
        },
        {
            "within": _WITHIN,
            "status": {"anyOf": [{"type": "array", "items": _TEXT, "maxItems": MAX_LIST}, {"type": "null"}]},
            "currency": {"anyOf": [_TEXT_OR_EMPTY, {"type": "null"}]},
        },
        "The number of a customer's orders, or the sum of what was paid for them after returns.",
    ),
    "segment": _object({"segment": {"type": "string", "format": "uuid"}}, None, "Membership of another segment."),
    "window": {
        "description": "The last so much time up to now, or a stretch (`from` included, `to` not).",
        "anyOf": [
            *(
                _object({unit: {"type": "integer", "minimum": 1, "maximum": MAX_SECONDS // size}})
                for unit, size in UNITS.items()
            ),
            {**_object({}, {"from": _TIME, "to": _TIME}), "minProperties": 1},
        ],
    },
}

RULE_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Kapelle segment rule",
    "anyOf": [
        {"$ref": "#/$defs/node"},
        _object({"rule": {"$ref": "#/$defs/node"}}, {"version": {"const": VERSION, "default": VERSION}}),
    ],
    "$defs": _DEFS,
}
