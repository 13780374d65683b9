"""From a call to the messages that it stands for, and every complaint about its body at once. Writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from kapelle.customers.actions.identifiers import NotAnIdentifier, normalize, normalize_kind
from kapelle.customers.contracts import ANONYMOUS_ID, EMAIL, PHONE, USER_ID, strength
from kapelle.customers.queries import get_customer, resolve_customer
from kapelle.events.actions import find_refused
from kapelle.integrations.actions.mapping import ABSENT, fill, read_path
from kapelle.integrations.contracts import Complaint, Plan, Unusable
from kapelle.kernel.errors import NotFound

if TYPE_CHECKING:
    from datetime import datetime

    from kapelle.integrations.contracts import Call, Definition

OWN_ID = "mindboxId"
"""The id that our answers carry; clients of that API send it back under this name."""

_CONTACTS = {"email": EMAIL, "mobilePhone": PHONE}
_ORDER_NUMBER = "order.ids.*"


def plan_call(call: Call, definition: Definition, now: datetime) -> Plan:
    """What the call would write; raises Unusable with all complaints."""
    complaints = [
        Complaint(f"{path} is missing.", _location(path))
        for path in definition.require
        if read_path(call.body, path) is ABSENT
    ]
    identifiers = _identifiers(call, definition, complaints)
    if not identifiers and definition.writes:
        complaints.append(Complaint("Nothing here names a customer: send ids, email, mobilePhone or a deviceUUID."))
    if complaints:
        raise Unusable(complaints)
    messages = [_message(template, call, identifiers, place) for place, template in enumerate(definition.writes)]
    refused = find_refused(messages, now)
    if refused:
        raise Unusable([Complaint(reason) for reason in refused])
    number = read_path(call.body, _ORDER_NUMBER)
    return Plan(tuple(messages), identifiers, "" if number is ABSENT else str(number))


def _message(
    template: dict[str, Any], call: Call, identifiers: tuple[tuple[str, str], ...], place: int
) -> dict[str, Any]:
    told: dict[str, Any] = fill(template, call.body)
    named: dict[str, str] = {}
    for kind, value in identifiers:
        if kind in {USER_ID, ANONYMOUS_ID}:
            named.setdefault("userId" if kind == USER_ID else "anonymousId", value)
    others = [{"type": kind, "id": value} for kind, value in identifiers if kind not in {USER_ID, ANONYMOUS_ID}]
    moment = read_path(call.body, "executionDateTimeUtc")
    name = f"operation:{call.operation}:{call.transaction_id or uuid4()}:{place}"
    context = told.pop("context", {})
    return {
        **told,
        **named,
        "messageId": name,
        "context": {**(context if isinstance(context, dict) else {}), "externalIds": others},
        **({} if moment is ABSENT else {"timestamp": moment}),
    }


def _identifiers(call: Call, definition: Definition, complaints: list[Complaint]) -> tuple[tuple[str, str], ...]:
    customer = call.body.get("customer")
    found: dict[tuple[str, str], None] = {}
    if customer is not None and not isinstance(customer, dict):
        complaints.append(Complaint("customer must be an object.", "/customer"))
    if isinstance(customer, dict):
        for name, kind in _CONTACTS.items():
            _add(found, kind, customer.get(name), f"/customer/{name}", complaints)
        ids = customer.get("ids")
        for label, value in ids.items() if isinstance(ids, dict) else ():
            if label == OWN_ID:
                found.update(dict.fromkeys(_own_identifiers(value, complaints)))
            else:
                _add(found, definition.ids.get(label) or label, value, f"/customer/ids/{label}", complaints)
    _add(found, ANONYMOUS_ID, call.device, "deviceUUID", complaints)
    return tuple(sorted(found, key=lambda pair: strength(pair[0])))


def _add(found: dict[tuple[str, str], None], kind: str, value: Any, location: str, complaints: list[Complaint]) -> None:
    if value is None or value == "":
        return
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        complaints.append(Complaint("An id or a contact is text or a whole number.", location))
        return
    try:
        known = normalize_kind(kind)
        found[known, normalize(known, str(value))] = None
    except NotAnIdentifier as error:
        complaints.append(Complaint(f"{str(value)[:60]!r} cannot be used: {error}.", location))


def _own_identifiers(value: Any, complaints: list[Complaint]) -> list[tuple[str, str]]:
    """The strongest identifier of the customer whom one of our own ids means."""
    try:
        known = get_customer(resolve_customer(UUID(str(value)))).identifiers
        return sorted(known, key=lambda pair: strength(pair[0]))[:1]
    except (ValueError, NotFound):
        complaints.append(Complaint("There is no customer with this id.", f"/customer/ids/{OWN_ID}"))
        return []


def _location(path: str) -> str:
    return "/" + path.partition("|")[0].removesuffix(".*").replace(".", "/")
