"""Rules as people write them: what is refused and where, one canonical form, the published schema."""

from __future__ import annotations

import random
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta

from kapelle.segments.contracts import InvalidRule, canonicalize, leaf_key, node_json, parse_rule
from kapelle.segments.contracts.json_schema import RULE_SCHEMA
from segments.rules import random_rule

EVENT: dict[str, Any] = {"event": "Viewed", "op": "at_least", "times": 2, "within": {"days": 30}}
CITY = {"attribute": "city", "op": "eq", "value": "Oslo"}


def deep(levels: int) -> dict[str, Any]:
    return {"not": deep(levels - 1)} if levels else CITY


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ([], "rule"),
        ({}, "rule"),
        ({"and": []}, "rule.and"),
        ({"and": [CITY], "or": [CITY]}, "rule"),
        ({"and": [CITY, {**EVENT, "times": 0}]}, "rule.and[1].times"),
        ({"and": [CITY, {**EVENT, "times": True}]}, "rule.and[1].times"),
        ({"not": {**EVENT, "within": {"days": 0}}}, "rule.not.within.days"),
        ({**EVENT, "within": {"days": 3, "hours": 2}}, "rule.within"),
        ({**EVENT, "within": {"from": "2026-02-01", "to": "2026-01-01"}}, "rule.within.to"),
        ({**EVENT, "within": {"from": "2026-02-01T00:00:00"}}, "rule.within.from"),
        ({**EVENT, "where": [{"property": "a..b", "op": "exists"}]}, "rule.where[0].property"),
        ({**EVENT, "where": [{"property": "a", "op": "gt", "value": True}]}, "rule.where[0].value"),
        ({**EVENT, "where": [{"property": "a", "op": "in", "value": ["x", None]}]}, "rule.where[0].value[1]"),
        ({**EVENT, "surprise": 1}, "rule.surprise"),
        ({"attribute": "town", "op": "eq", "value": "Oslo"}, "rule.attribute"),
        ({"attribute": "attributes.", "op": "exists"}, "rule.attribute"),
        ({"attribute": "city", "op": "gt", "value": "Oslo"}, "rule.op"),
        ({"attribute": "city", "op": "eq"}, "rule.value"),
        ({"attribute": "city", "op": "eq", "value": "a\0b"}, "rule.value"),
        ({"attribute": "city", "op": "exists", "value": 1}, "rule.value"),
        ({"attribute": "is_identified", "op": "eq", "value": "yes"}, "rule.value"),
        ({"attribute": "birth_date", "op": "lt", "value": "1990-13-01"}, "rule.value"),
        ({"attribute": "attributes.n", "op": "eq", "value": float("nan")}, "rule.value"),
        ({"attribute": "attributes.n", "op": "eq", "value": 1e29}, "rule.value"),
        ({"attribute": "attributes.n", "op": "eq", "value": 0.1234567891}, "rule.value"),
        ({"orders": "sum", "op": "within", "value": 1}, "rule.op"),
        ({"segment": "not-an-id"}, "rule.segment"),
        ({"version": 2, "rule": CITY}, "version"),
        ({"or": [CITY] * 101}, "rule.or"),
        ({"or": [{"and": [CITY] * 60}, {"and": [CITY] * 60}]}, "rule"),
        (deep(10), "rule.not" + ".not" * 9),
    ],
)
def test_a_mistake_is_named_by_its_path(rule: Any, path: str) -> None:
    with pytest.raises(InvalidRule) as caught:
        parse_rule(rule)
    assert caught.value.details["path"] == path
    assert caught.value.message.startswith(f"{path}: ")


def test_a_rule_reads_back_as_it_was_written() -> None:
    chooser = random.Random(3)
    for _ in range(300):
        rule = parse_rule(random_rule(chooser))
        assert parse_rule(node_json(rule)) == rule


def test_equal_meanings_have_one_key() -> None:
    first = parse_rule({"attribute": "city", "op": "in", "value": ["b", "a", "a"]})
    second = parse_rule({"attribute": "city", "op": "in", "value": ["a", "b"]})
    assert leaf_key(first) == leaf_key(second)  # type: ignore[arg-type]
    hours = {**EVENT, "within": {"hours": 720}}
    assert leaf_key(parse_rule(EVENT)) == leaf_key(parse_rule(hours))  # type: ignore[arg-type]
    one = {"attribute": "attributes.n", "op": "eq", "value": 1}
    keys = {leaf_key(parse_rule({**one, "value": value})) for value in (1, 1.0, True, "1", "true")}  # type: ignore[arg-type]
    assert len(keys) == 4


def test_keys_never_change() -> None:
    """Stored state will hang on them: a failure here means that old keys must go on being understood."""
    assert leaf_key(parse_rule(CITY)) == "c767459f584d9f22706170531fa4ec8d"  # type: ignore[arg-type]


def test_equal_leaves_are_shared_and_order_does_not_matter() -> None:
    one = canonicalize(parse_rule({"and": [CITY, {"or": [EVENT, CITY]}, {"not": {"not": EVENT}}]}))
    two = canonicalize(parse_rule({"and": [EVENT, {"and": [{"or": [CITY, EVENT]}, CITY]}]}))
    assert len(one.leaves) == 2
    assert one == two


def test_the_published_schema_takes_what_the_parser_takes() -> None:
    assert meta.is_valid(RULE_SCHEMA)
    validator = Draft202012Validator(RULE_SCHEMA)
    chooser = random.Random(5)
    for _ in range(300):
        rule = random_rule(chooser)
        parse_rule(rule)
        assert validator.is_valid(rule), rule
        assert validator.is_valid({"version": 1, "rule": node_json(parse_rule(rule))}), rule


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"and": []},
        {"attribute": "city", "op": "gt", "value": "Oslo"},
        {"attribute": "town", "op": "eq", "value": "Oslo"},
        {**EVENT, "surprise": 1},
        {**EVENT, "within": {"days": 3, "hours": 2}},
        {"version": 2, "rule": CITY},
    ],
)
def test_the_published_schema_refuses_what_the_parser_refuses(rule: Any) -> None:
    assert not Draft202012Validator(RULE_SCHEMA).is_valid(rule)
