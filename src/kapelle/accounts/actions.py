"""Writes on workspaces, keys and the audit log."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from django.db import IntegrityError, transaction

from kapelle.accounts.contracts import KeepIp, LawfulBasis, Scope, WorkspaceInfo, check_origin
from kapelle.accounts.models import ApiKey, AuditEntry, IdempotencyKey, Workspace
from kapelle.accounts.queries import get_key, get_workspace_by_id, hash_secret
from kapelle.kernel.errors import Conflict, Invalid, NotFound
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from kapelle.accounts.contracts import KeyInfo

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # no letters that are misread
_MAX_NAME = 200
_MAX_IDLE_MINUTES = 24 * 60
_SECRET_LENGTH = 33  # 33 letters of 31 are 163 bits


def create_workspace(
    *, slug: str, name: str, now: datetime, timezone: str = "UTC", currency: str = "EUR"
) -> WorkspaceInfo:
    """Create a workspace; raises Invalid for an unusable value, Conflict if the slug is taken."""
    if not _SLUG.fullmatch(slug):
        raise Invalid(f"{slug!r} cannot be a workspace's short name: use a-z, 0-9 and inner hyphens, 63 at most.")
    if not 1 <= len(name.strip()) <= _MAX_NAME or "\0" in name:
        raise Invalid(f"A workspace's name has 1 to {_MAX_NAME} characters; readers of its mail see it.")
    if not _CURRENCY.fullmatch(currency):
        raise Invalid(f"{currency!r} is no currency: use three capital letters of ISO 4217, such as EUR.")
    if timezone not in available_timezones():
        raise Invalid(f"{timezone!r} is no time zone: use a name such as Europe/Berlin.")
    try:
        with transaction.atomic():
            row = Workspace.objects.create(slug=slug, name=name, timezone=timezone, currency=currency, created_at=now)
    except IntegrityError as error:
        raise Conflict(f"There is already a workspace {slug!r}.") from error
    return get_workspace_by_id(row.id)


def change_workspace(
    *,
    workspace_id: UUID,
    now: datetime,
    actor: str,
    keep_ip: KeepIp | None = None,
    session_idle_minutes: int | None = None,
) -> WorkspaceInfo:
    """Change what is not None; raises Invalid for an unusable value, NotFound. What was stored before stays."""
    changes: dict[str, Any] = {}
    if keep_ip is not None:
        changes["keep_ip"] = keep_ip
    if session_idle_minutes is not None:
        if not 1 <= session_idle_minutes <= _MAX_IDLE_MINUTES:
            raise Invalid(
                f"A visit ends after 1 to {_MAX_IDLE_MINUTES} minutes of silence, not {session_idle_minutes}."
            )
        changes["session_idle_minutes"] = session_idle_minutes
    with workspace_scope(workspace_id):
        if changes and not Workspace.objects.filter(id=workspace_id).update(**changes):
            raise NotFound(f"There is no workspace {workspace_id}.")
        if changes:
            record_audit(actor=actor, action="workspace.changed", target=str(workspace_id), now=now, **changes)
    return get_workspace_by_id(workspace_id)


def create_key(
    *,
    workspace_id: UUID,
    name: str,
    scope: Scope,
    now: datetime,
    actor: str,
    lawful_basis: LawfulBasis = LawfulBasis.NOT_STATED,
    origin: str = "",
) -> str:
    """Create a key and return its secret: the only time that it can be seen. Raises Invalid for an unusable name."""
    origin = check_origin(origin)
    name = " ".join(name.split())
    if not 1 <= len(name) <= _MAX_NAME or "\0" in name:
        raise Invalid(f"A key's name has 1 to {_MAX_NAME} characters; it tells you later what the key is for.")
    prefix = {Scope.WRITE: "kw", Scope.READ: "kr", Scope.ADMIN: "ka"}[scope]
    secret = f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    with workspace_scope(workspace_id):
        row = ApiKey.objects.create(
            name=name,
            scope=scope,
            prefix=secret[:8],
            secret_hash=hash_secret(secret),
            lawful_basis=lawful_basis,
            origin=origin,
            created_at=now,
        )
        details = {"name": name, "scope": scope, "lawful_basis": lawful_basis, "origin": origin}
        record_audit(actor=actor, action="key.created", target=str(row.id), now=now, **details)
    return secret


def change_key(
    *,
    workspace_id: UUID,
    key_id: UUID,
    now: datetime,
    actor: str,
    lawful_basis: LawfulBasis | None = None,
    origin: str | None = None,
) -> KeyInfo:
    """Say on what grounds, and from where, data come in by this key; None stays as it is. Raises NotFound, Invalid."""
    given = {"lawful_basis": lawful_basis, "origin": None if origin is None else check_origin(origin)}
    changes = {name: value for name, value in given.items() if value is not None}
    with workspace_scope(workspace_id):
        before = get_key(key_id)
        if any(getattr(before, name) != value for name, value in changes.items()):
            ApiKey.objects.filter(id=key_id).update(**changes)
            record_audit(actor=actor, action="key.changed", target=str(key_id), now=now, **changes)
        return get_key(key_id)


def revoke_key(*, workspace_id: UUID, key_id: UUID, now: datetime, actor: str) -> None:
    """Make a key useless from now on (the edge forgets it within 5 s); raises NotFound."""
    with workspace_scope(workspace_id):
        changed = ApiKey.objects.filter(id=key_id, revoked_at=None).update(revoked_at=now)
        if not changed:
            raise NotFound(f"There is no live key {key_id} in this workspace.")
        record_audit(actor=actor, action="key.revoked", target=str(key_id), now=now)


def record_audit(*, actor: str, action: str, target: str, now: datetime, **details: Any) -> None:
    """Write an audit row in the open scope's transaction. Called by actions, never by views."""
    AuditEntry.objects.create(actor=actor, action=action, target=target, at=now, details=details)


def reserve_answer(*, key: str, request_hash: bytes, now: datetime) -> None:
    """Claim an Idempotency-Key in the open transaction; a twin request waits here, then gets IntegrityError."""
    IdempotencyKey.objects.create(key=key, request_hash=request_hash, created_at=now)


def remember_answer(*, key: str, status: int, content_type: str, body: bytes) -> None:
    """Keep the answer beside the claimed key, in the same transaction as the change it reports."""
    IdempotencyKey.objects.filter(key=key).update(status=status, content_type=content_type, body=body)


def forget_answers(*, before: datetime) -> int:
    """Drop answers older than `before` in the open scope; returns how many."""
    return IdempotencyKey.objects.filter(created_at__lt=before).delete()[0]
