"""Calls of operations: planned, written, and answered. The same transactionId again gets the same answer."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from kapelle.accounts.actions import remember_answer, reserve_answer
from kapelle.accounts.queries import find_answer
from kapelle.catalog.queries.orders import get_order
from kapelle.customers.queries import find_profile
from kapelle.events.actions import lock_workspace, submit_messages
from kapelle.integrations.actions.planning import OWN_ID, plan_call
from kapelle.integrations.contracts import Answer, Processing, road
from kapelle.integrations.queries import get_operation
from kapelle.kernel.errors import Conflict, NotFound
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from kapelle.customers.contracts import CustomerInfo
    from kapelle.integrations.contracts import Call, Definition, Plan

JSON = "application/json"
_OK = 200
_TEXTS = {
    "email": "email",
    "mobilePhone": "phone",
    "firstName": "first_name",
    "middleName": "middle_name",
    "lastName": "last_name",
    "sex": "gender",
}


def call_operation(
    *, workspace_id: UUID, call: Call, is_sync: bool, context: dict[str, Any], now: datetime
) -> dict[str, Any]:
    """Do what the operation says. Asynchronous: safe in the inbox. Synchronous: done, and answered with the result.

    Raises NotFound for an unknown operation, Unusable for a body that cannot be used, Conflict for a transactionId
    that was used for another body.
    """
    with workspace_scope(workspace_id):
        definition = get_operation(call.operation).definition
        if not call.transaction_id:
            return _do(workspace_id, call, definition, is_sync, context, now)
        named = json.dumps([call.operation, call.transaction_id]).encode()
        key = f"operation:{hashlib.sha256(named).hexdigest()}"
        told = json.dumps([call.body, call.device, is_sync], sort_keys=True)
        fingerprint = hashlib.sha256(told.encode()).digest()
        if find_answer(key) is not None:
            return _repeat(key, fingerprint)
        try:
            with transaction.atomic():
                reserve_answer(key=key, request_hash=fingerprint, now=now)
        except IntegrityError:
            return _repeat(key, fingerprint)
        answer = _do(workspace_id, call, definition, is_sync, context, now)
        remember_answer(key=key, status=_OK, content_type=JSON, body=json.dumps(answer).encode())
        return answer


def try_operation(*, workspace_id: UUID, call: Call, definition: Definition, now: datetime) -> Plan:
    """What a call would write, with nothing written; raises Unusable."""
    with workspace_scope(workspace_id):
        return plan_call(call, definition, now)


def _repeat(key: str, fingerprint: bytes) -> dict[str, Any]:
    found = find_answer(key)
    if found is None:
        raise Conflict("A call with this transactionId was just refused. Send it again.")
    if found.request_hash != fingerprint:
        raise Conflict("This transactionId was used for a different call. Use a new one.")
    answer: dict[str, Any] = json.loads(found.body)
    return answer


def _do(
    workspace_id: UUID, call: Call, definition: Definition, is_sync: bool, context: dict[str, Any], now: datetime
) -> dict[str, Any]:
    plan = plan_call(call, definition, now)
    if not is_sync:
        if plan.messages:
            submit_messages(
                workspace_id=workspace_id, messages=plan.messages, source=call.source, context=context, now=now
            )
        return {"status": "Success"}
    if plan.messages:
        lock_workspace(workspace_id, wait=True)  # before the first look: what we compare with must not move
    before = _look(plan)
    had_order = _order(plan) is not None
    if plan.messages:
        road()(workspace_id=workspace_id, messages=plan.messages, source=call.source, context=context, now=now)
    after = _look(plan)
    answer: dict[str, Any] = {"status": "Success"}
    if definition.answer in {Answer.CUSTOMER, Answer.ORDER}:
        answer["customer"] = _customer_answer(before, after, definition)
    if definition.answer is Answer.ORDER:
        answer["order"] = _order_answer(plan, had_order=had_order)
    return answer


def _look(plan: Plan) -> CustomerInfo | None:
    """The customer whom the strongest known identifier leads to."""
    for identifier in plan.identifiers:
        customer = find_profile(identifier)
        if customer is not None:
            return customer
    return None


def _customer_answer(before: CustomerInfo | None, after: CustomerInfo | None, definition: Definition) -> dict[str, Any]:
    if after is None:
        return {"processingStatus": Processing.NOT_FOUND}
    names = {kind: name for name, kind in reversed(definition.ids.items())}
    ids = {names.get(kind, kind): value for kind, value in after.identifiers if kind not in {"email", "phone"}}
    texts = {name: value for name, column in _TEXTS.items() if (value := getattr(after, column))}
    dates = {"birthDate": after.birth_date.isoformat()} if after.birth_date else {}
    return {
        "processingStatus": _processing(before, after),
        "ids": {OWN_ID: str(after.id), **ids},
        **texts,
        **dates,
        "customFields": after.attributes,
        "changeDateTimeUtc": after.updated_at.isoformat(),
    }


def _processing(before: CustomerInfo | None, after: CustomerInfo) -> Processing:
    if before is None:
        return Processing.CREATED
    return Processing.FOUND if _facts(before) == _facts(after) else Processing.CHANGED


def _facts(info: CustomerInfo) -> tuple[Any, ...]:
    own = (info.birth_date, info.attributes, frozenset(info.identifiers))
    return (*(getattr(info, column) for column in _TEXTS.values()), *own)


def _order(plan: Plan) -> dict[str, Any] | None:
    if not plan.order_number:
        return None
    try:
        return get_order(plan.order_number)
    except NotFound:
        return None


def _order_answer(plan: Plan, *, had_order: bool) -> dict[str, Any]:
    order = _order(plan)
    if order is None:
        return {"processingStatus": Processing.NOT_FOUND}
    return {
        "processingStatus": Processing.CHANGED if had_order else Processing.CREATED,
        "ids": {OWN_ID: str(order["id"]), "externalId": plan.order_number},
        "status": {"ids": {"externalId": order["status"]}},
        "totalPrice": float(order["total"]),
    }
