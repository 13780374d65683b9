"""Who meets a rule, worked out a second time in plain Python from docs/howto/segments.md, sharing no code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Context, Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID

    from segments.world import World

MISSING = object()


def members(rule: dict[str, Any], world: World, now: datetime) -> set[UUID]:
    people = [customer for customer in world.customers if customer["merged_into"] is None]
    return {customer["id"] for customer in people if _holds(rule, customer, world, now)}


def _holds(rule: dict[str, Any], customer: dict[str, Any], world: World, now: datetime) -> bool:
    if "and" in rule:
        return all(_holds(child, customer, world, now) for child in rule["and"])
    if "or" in rule:
        return any(_holds(child, customer, world, now) for child in rule["or"])
    if "not" in rule:
        return not _holds(rule["not"], customer, world, now)
    if "attribute" in rule:
        return _attribute(rule, customer, now)
    origins = {origin for origin, home in world.homes.items() if home == customer["id"]}
    if "event" in rule:
        return _event(rule, [event for event in world.events if event["origin"] in origins], now)
    return _orders(rule, [order for order in world.orders if order["origin"] in origins], now)


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _inside(at: datetime, window: dict[str, Any] | None, now: datetime) -> bool:
    if at > now:
        return False
    if not window:
        return True
    for unit in ("minutes", "hours", "days"):
        if unit in window:
            return at > now - timedelta(**{unit: window[unit]})
    return ("from" not in window or at >= _moment(window["from"])) and (
        "to" not in window or at < _moment(window["to"])
    )


def _ordered(op: str, left: Any, right: Any) -> bool:
    return bool(
        {
            "eq": left == right,
            "gt": left > right,
            "gte": left >= right,
            "lt": left < right,
            "lte": left <= right,
        }[op]
    )


def _attribute(rule: dict[str, Any], customer: dict[str, Any], now: datetime) -> bool:
    name, op, wanted = rule["attribute"], rule["op"], rule.get("value")
    if name.startswith("attributes."):
        return _json(customer["attributes"], name.removeprefix("attributes."), op, wanted)
    if op in ("ne", "not_in", "not_exists"):
        opposite = {"ne": "eq", "not_in": "in", "not_exists": "exists"}[op]
        return not _attribute({**rule, "op": opposite}, customer, now)
    value = customer[name]
    if op == "exists":
        return value not in (None, "")
    if name == "is_identified":
        return value is wanted
    if value in (None, ""):
        return False
    if name in ("created_at", "registered_at"):
        return _inside(value, wanted, now) if op == "within" else _ordered(op, value, _moment(wanted))
    return _text(op, value, wanted)


def _text(op: str, value: str, wanted: Any) -> bool:
    if op == "in":
        return value in wanted
    if op == "contains":
        return wanted in value
    return value.startswith(wanted) if op == "starts_with" else _ordered(op, value, wanted)


def _at(source: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(source, dict) or part not in source:
            return MISSING
        source = source[part]
    if _is_number(source) and source == int(source) and not -(2**63) <= source < 2**64:
        return str(int(source))  # whole numbers beyond 64 bits are read as texts
    return MISSING if source is None else source


def _number(value: Any) -> Decimal:
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return exact.quantize(Decimal("1e-9"), rounding=ROUND_DOWN, context=Context(prec=60))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _json(source: dict[str, Any], path: str, op: str, wanted: Any) -> bool:
    if op in ("ne", "not_in", "not_exists"):
        return not _json(source, path, {"ne": "eq", "not_in": "in", "not_exists": "exists"}[op], wanted)
    value = _at(source, path)
    if op == "exists":
        return value is not MISSING
    if op == "in":
        return any(_json(source, path, "eq", item) for item in wanted)
    if op == "contains" and isinstance(value, list):
        return any(isinstance(item, str) and item == wanted for item in value)
    if isinstance(wanted, bool):
        return value is wanted
    if _is_number(wanted):
        return _is_number(value) and _ordered(op, _number(value), _number(wanted))
    return isinstance(value, str) and _text(op, value, wanted)


def _event(rule: dict[str, Any], events: list[dict[str, Any]], now: datetime) -> bool:
    counted = sum(
        event["name"] == rule["event"]
        and _inside(event["at"], rule.get("within"), now)
        and all(_json(event["properties"], test["property"], test["op"], test.get("value")) for test in rule["where"])
        for event in events
    )
    return {"at_least": counted >= rule["times"], "at_most": counted <= rule["times"]}.get(
        rule["op"], counted == rule["times"]
    )


def _orders(rule: dict[str, Any], orders: list[dict[str, Any]], now: datetime) -> bool:
    taken = [
        order["total"]
        for order in orders
        if _inside(order["at"], rule.get("within"), now)
        and (not rule.get("status") or order["status"] in rule["status"])
        and (not rule.get("currency") or order["currency"] == rule["currency"])
    ]
    value = Decimal(len(taken)) if rule["orders"] == "count" else sum(taken, Decimal(0))
    wanted = _number(rule["value"])
    return value != wanted if rule["op"] == "ne" else _ordered(rule["op"], value, wanted)
