"""Reads of workspaces and keys."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import connection
from django.db.models import Q

from kapelle.accounts.contracts import KeepIp, KeyInfo, LawfulBasis, RememberedAnswer, Scope, WorkspaceInfo
from kapelle.accounts.models import ApiKey, IdempotencyKey, Workspace
from kapelle.kernel.errors import NotFound

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

MAX_KEYS = 500

# Asked by every request of the API, so it goes past Django's query building.
_FIND_KEY = """
SELECT id, workspace_id, name, scope, prefix, lawful_basis, origin, created_at, revoked_at FROM api_keys
WHERE secret_hash = %s AND revoked_at IS NULL
"""


def hash_secret(secret: str) -> bytes:
    """SHA-256 of a key. Keys are 160 random bits, so a slow hash would guard nothing and cost every request."""
    return hashlib.sha256(secret.encode()).digest()


def find_key(secret: str) -> KeyInfo | None:
    """The live key with this secret, or None."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND_KEY, [hash_secret(secret)])
        row = cursor.fetchone()
    if row is None:
        return None
    key_id, workspace_id, name, scope, prefix, basis, origin, created_at, revoked_at = row
    return KeyInfo(key_id, workspace_id, name, Scope(scope), prefix, LawfulBasis(basis), origin, created_at, revoked_at)


def get_key(key_id: UUID) -> KeyInfo:
    """The key of the open workspace; raises NotFound."""
    row = ApiKey.objects.filter(id=key_id).first()
    if row is None:
        raise NotFound(f"There is no key {key_id} in this workspace.")
    return _key_info(row)


def list_keys() -> list[KeyInfo]:
    """The workspace's keys, newest first, revoked ones included."""
    return [_key_info(row) for row in ApiKey.objects.order_by("-created_at")[:MAX_KEYS]]


def list_bringing_keys(
    *, limit: int, after: tuple[datetime, UUID] | None = None, lawful_basis: LawfulBasis | None = None
) -> list[KeyInfo]:
    """Keys by which data come in, newest first, revoked ones included, from those that are older than `after`."""
    rows = ApiKey.objects.exclude(scope=Scope.READ).order_by("-created_at", "-id")
    if after:
        rows = rows.filter(
            Q(created_at__lt=after[0]) | Q(created_at=after[0], id__lt=after[1]), created_at__lte=after[0]
        )
    if lawful_basis:
        rows = rows.filter(lawful_basis=lawful_basis)
    return [_key_info(row) for row in rows[:limit]]


def get_workspace(slug: str) -> WorkspaceInfo:
    """The workspace of this short name; raises NotFound."""
    row = Workspace.objects.filter(slug=slug).first()
    if row is None:
        raise NotFound(f"There is no workspace {slug!r}. `kapelle workspace list` shows the ones that exist.")
    return _workspace_info(row)


def get_workspace_by_id(workspace_id: UUID) -> WorkspaceInfo:
    """The workspace of this id; raises NotFound."""
    row = Workspace.objects.filter(id=workspace_id).first()
    if row is None:
        raise NotFound(f"There is no workspace {workspace_id}.")
    return _workspace_info(row)


def list_workspaces() -> list[WorkspaceInfo]:
    """All workspaces of the installation; for the operator and the maintenance loops only."""
    return [_workspace_info(row) for row in Workspace.objects.order_by("slug")]


def find_answer(key: str) -> RememberedAnswer | None:
    """The remembered answer under this Idempotency-Key, or None."""
    row = IdempotencyKey.objects.filter(key=key).first()
    if row is None or row.status is None:
        return None
    return RememberedAnswer(
        request_hash=bytes(row.request_hash), status=row.status, content_type=row.content_type, body=bytes(row.body)
    )


def _workspace_info(row: Workspace) -> WorkspaceInfo:
    return WorkspaceInfo(
        id=row.id,
        slug=row.slug,
        name=row.name,
        timezone=row.timezone,
        currency=row.currency,
        keep_ip=KeepIp(row.keep_ip),
        session_idle=timedelta(minutes=row.session_idle_minutes),
    )


def _key_info(row: ApiKey) -> KeyInfo:
    return KeyInfo(
        id=row.id,
        workspace_id=row.workspace_id,
        name=row.name,
        scope=Scope(row.scope),
        prefix=row.prefix,
        lawful_basis=LawfulBasis(row.lawful_basis),
        origin=row.origin,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
