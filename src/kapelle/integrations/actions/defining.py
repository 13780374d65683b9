"""Definitions of operations: checked, versioned, ready-made ones on demand."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from kapelle.accounts.actions import record_audit
from kapelle.customers.actions.identifiers import NotAnIdentifier, normalize_kind
from kapelle.integrations.actions.mapping import check_template
from kapelle.integrations.actions.ready_made import READY_MADE
from kapelle.integrations.models import OperationVersion
from kapelle.integrations.queries import get_operation, list_operations
from kapelle.kernel.errors import Conflict, Invalid
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from kapelle.integrations.contracts import Definition, OperationInfo

MAX_WRITES = 10
MAX_DEFINITION = 16 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PATH = re.compile(r"[^$\s]{1,200}")


def create_operation(
    *, workspace_id: UUID, name: str, definition: Definition, now: datetime, actor: str
) -> OperationInfo:
    """Make an operation; raises Invalid, Conflict if there is one of this name."""
    _check(name, definition)
    with workspace_scope(workspace_id):
        last = _last(name)
        if last is not None and last.definition is not None:
            raise Conflict(f"There is already an operation {name!r}. Change it with PUT.")
        _add_version(name, asdict(definition), last, now, actor)
        return get_operation(name)


def change_operation(
    *, workspace_id: UUID, name: str, definition: Definition, now: datetime, actor: str
) -> OperationInfo:
    """Make its next version; the same definition again changes nothing. Raises NotFound, Invalid."""
    with workspace_scope(workspace_id):
        known = get_operation(name)
        _check(name, definition)
        if known.definition != definition:
            _add_version(name, asdict(definition), _last(name), now, actor)
        return get_operation(name)


def delete_operation(*, workspace_id: UUID, name: str, now: datetime, actor: str) -> None:
    """Calls are refused from now on; raises NotFound."""
    with workspace_scope(workspace_id):
        get_operation(name)
        _add_version(name, None, _last(name), now, actor)


def set_up_operations(*, workspace_id: UUID, now: datetime, actor: str) -> list[OperationInfo]:
    """Add those of the ready-made operations that are not there yet; returns all."""
    with workspace_scope(workspace_id):
        known = {row.name for row in list_operations()}
        for name, definition in READY_MADE.items():
            if name not in known:
                create_operation(workspace_id=workspace_id, name=name, definition=definition, now=now, actor=actor)
        return list_operations()


def _last(name: str) -> OperationVersion | None:
    return OperationVersion.objects.filter(name=name).order_by("-version").first()


def _add_version(
    name: str, stored: dict[str, object] | None, last: OperationVersion | None, now: datetime, actor: str
) -> None:
    version = last.version + 1 if last else 1
    try:
        with transaction.atomic():
            OperationVersion.objects.create(
                name=name, version=version, definition=stored, changed_at=now, changed_by=actor
            )
    except IntegrityError as error:
        raise Conflict(f"Somebody else has just changed {name!r}. Read it again, then send your change.") from error
    record_audit(actor=actor, action="operation.deleted" if stored is None else "operation.saved", target=name, now=now)


def _check(name: str, definition: Definition) -> None:
    if not _NAME.fullmatch(name):
        raise Invalid("An operation's name has 1 to 100 letters, digits, dots, '-' or '_', such as Website.SetCart.")
    if len(definition.writes) > MAX_WRITES:
        raise Invalid(f"An operation has at most {MAX_WRITES} writes.")
    if len(json.dumps(asdict(definition))) > MAX_DEFINITION:
        raise Invalid(f"A definition has at most {MAX_DEFINITION} bytes.")
    for template in definition.writes:
        check_template(template)
    for path in definition.require:
        if not _PATH.fullmatch(path):
            raise Invalid(f"{path[:60]!r} is no path; write order.ids.* or the like, without a dollar sign.")
    for kind in definition.ids.values():
        try:
            normalize_kind(kind)
        except NotAnIdentifier as error:
            raise Invalid(f"{kind[:60]!r} is no kind of identifier: {error}.") from error
