"""Random rules as JSON, for the tests of the rule compiler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segments.world import CITIES, EVENT_NAMES, KEYS, NUMBERS, STATUSES, TIMES, TRICKY

if TYPE_CHECKING:
    from random import Random

_ORDER_OPS = ["eq", "ne", "gt", "gte", "lt", "lte"]
_PLAIN = [number for number in NUMBERS if number not in (0.1234567891, -0.0000000001)]
_PATHS = [*KEYS, "deep.b", "deep.c.d", "deep.c", "price.b"]


def random_rule(random: Random, depth: int = 0) -> dict[str, Any]:
    kind = random.choice(["and", "or", "not"]) if depth < 3 and random.random() < 0.6 - depth * 0.15 else "leaf"
    if kind in ("and", "or"):
        return {kind: [random_rule(random, depth + 1) for _ in range(random.randint(1, 4))]}
    if kind == "not":
        return {"not": random_rule(random, depth + 1)}
    return random.choice([_standard, _custom, _event, _event, _event, _orders])(random)


def _window(random: Random) -> Any:
    if random.random() < 0.35:
        return None
    if random.random() < 0.6:
        return random.choice([{"days": 30}, {"days": 7}, {"hours": 1}, {"minutes": 60}, {"days": 365}])
    start, end = sorted(random.sample(TIMES, 2))
    bounds = {"from": start.isoformat(), "to": end.isoformat()}
    return random.choice([bounds, {"from": bounds["from"]}, {"to": bounds["to"]}])


def _standard(random: Random) -> dict[str, Any]:
    kind = random.choice(["text", "text", "time", "date", "boolean"])
    if kind == "boolean":
        return {"attribute": "is_identified", "op": random.choice(["eq", "ne"]), "value": random.random() < 0.5}
    if kind == "text":
        op = random.choice(["eq", "ne", "in", "not_in", "contains", "starts_with", "exists", "not_exists"])
        return {"attribute": "city", "op": op, **_text_value(random, op, [city for city in CITIES if city])}
    if kind == "date":
        op = random.choice([*_ORDER_OPS, "exists", "not_exists"])
        value = {} if op.endswith("exists") else {"value": random.choice(["1980-02-29", "0999-01-01", "1990-01-01"])}
        return {"attribute": "birth_date", "op": op, **value}
    op = random.choice(["gt", "gte", "lt", "lte", "exists", "not_exists", "within"])
    name = random.choice(["created_at", "registered_at"])
    if op.endswith("exists"):
        return {"attribute": name, "op": op}
    value = (_window(random) or {"days": 1}) if op == "within" else random.choice(TIMES).isoformat()
    return {"attribute": name, "op": op, "value": value}


def _text_value(random: Random, op: str, texts: list[str]) -> dict[str, Any]:
    if op.endswith("exists"):
        return {}
    if op in ("in", "not_in"):
        return {"value": [random.choice(texts) for _ in range(random.randint(1, 4))]}
    text = random.choice(texts)
    return {"value": text[: random.randint(1, len(text))] if op in ("contains", "starts_with") else text}


def _custom(random: Random) -> dict[str, Any]:
    return {"attribute": f"attributes.{random.choice(_PATHS)}", **_json_test(random)}


def _json_test(random: Random) -> dict[str, Any]:
    op = random.choice([*_ORDER_OPS, "in", "not_in", "contains", "starts_with", "exists", "not_exists"])
    if op in ("contains", "starts_with"):
        return {"op": op, **_text_value(random, op, [text for text in TRICKY if text])}
    if op.endswith("exists"):
        return {"op": op}
    scalars = [*TRICKY, *_PLAIN]
    if op in ("in", "not_in"):
        return {"op": op, "value": [random.choice(scalars) for _ in range(random.randint(1, 4))]}
    return {"op": op, "value": random.choice([*scalars, True, False] if op in ("eq", "ne") else scalars)}


def _event(random: Random) -> dict[str, Any]:
    op = random.choice(["at_least", "at_most", "exactly"])
    where = [{"property": random.choice(_PATHS), **_json_test(random)} for _ in range(random.choice([0, 0, 1, 1, 2]))]
    return {
        "event": random.choice(EVENT_NAMES),
        "op": op,
        "times": random.randint(1 if op == "at_least" else 0, 3),
        "within": _window(random),
        "where": where,
    }


def _orders(random: Random) -> dict[str, Any]:
    made = {
        "orders": random.choice(["count", "sum"]),
        "op": random.choice(_ORDER_OPS),
        "value": random.choice([0, 1, 2, 9.99, 19.98, 100, -5.5]),
        "within": _window(random),
    }
    if random.random() < 0.4:
        made["status"] = random.sample(STATUSES, random.randint(1, 2))
    if random.random() < 0.3:
        made["currency"] = "EUR"
    return made
