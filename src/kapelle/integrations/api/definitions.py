"""/operations: what a brand's named operations mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ninja import Router, Status

from kapelle.integrations.actions import (
    change_operation,
    create_operation,
    delete_operation,
    set_up_operations,
    try_operation,
)
from kapelle.integrations.contracts import Call, Unusable
from kapelle.integrations.queries import get_operation, list_operations
from kapelle.integrations.schemas import DefinitionIn, OperationIn, OperationOut, TrialIn, TrialOut
from kapelle.kernel.clock import utc_now

if TYPE_CHECKING:
    from kapelle.web.middleware import ApiRequest

router = Router(tags=["operations"])


@router.get("/operations", response=list[OperationOut], summary="List operations")
def get_list(request: ApiRequest) -> Any:
    """All of them, by name."""
    return list_operations()


@router.post("/operations", response={201: OperationOut}, summary="Create an operation")
def post_one(request: ApiRequest, payload: OperationIn) -> Any:
    """Give a name a meaning."""
    key = request.key
    definition = payload.as_definition()
    actor = f"key:{key.prefix}"
    made = create_operation(
        workspace_id=key.workspace_id, name=payload.name, definition=definition, now=utc_now(), actor=actor
    )
    return Status(201, made)


@router.post("/operations/ready-made", response=list[OperationOut], summary="Add the ready-made operations")
def post_ready_made(request: ApiRequest) -> Any:
    """Add those that are not there yet; what you have changed stays. Answers with all."""
    key = request.key
    return set_up_operations(workspace_id=key.workspace_id, now=utc_now(), actor=f"key:{key.prefix}")


@router.get("/operations/{operation_name}", response=OperationOut, summary="Get an operation")
def get_one(request: ApiRequest, operation_name: str) -> Any:
    """Its newest version."""
    return get_operation(operation_name)


@router.put("/operations/{operation_name}", response=OperationOut, summary="Change an operation")
def put_one(request: ApiRequest, operation_name: str, payload: DefinitionIn) -> Any:
    """Make its next version; calls follow it from now on."""
    key = request.key
    definition = payload.as_definition()
    actor = f"key:{key.prefix}"
    return change_operation(
        workspace_id=key.workspace_id, name=operation_name, definition=definition, now=utc_now(), actor=actor
    )


@router.delete("/operations/{operation_name}", response={204: None}, summary="Delete an operation")
def delete_one(request: ApiRequest, operation_name: str) -> Any:
    """Calls are refused from now on; its versions stay on record."""
    key = request.key
    delete_operation(workspace_id=key.workspace_id, name=operation_name, now=utc_now(), actor=f"key:{key.prefix}")
    return Status(204, None)


@router.post("/operations/{operation_name}/test", response=TrialOut, summary="Try an operation on a body")
def post_test(request: ApiRequest, operation_name: str, payload: TrialIn) -> Any:
    """What a call would write; nothing is written."""
    key = request.key
    stored = get_operation(operation_name).definition
    definition = payload.definition.as_definition() if payload.definition else stored
    call = Call(operation_name, payload.body, payload.device_uuid, source=f"key:{key.prefix}")
    try:
        plan = try_operation(workspace_id=key.workspace_id, call=call, definition=definition, now=utc_now())
    except Unusable as error:
        return {"validation_messages": error.details["validation_messages"]}
    return {
        "messages": plan.messages,
        "identifiers": [{"kind": kind, "value": value} for kind, value in plan.identifiers],
    }
