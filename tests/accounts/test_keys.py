"""Workspaces and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kapelle.accounts.actions import create_key, create_workspace, revoke_key
from kapelle.accounts.contracts import Scope
from kapelle.accounts.models import AuditEntry
from kapelle.accounts.queries import find_key, list_keys
from kapelle.kernel.errors import Conflict, Invalid, NotFound
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime

    from kapelle.accounts.contracts import WorkspaceInfo


def test_a_key_is_found_by_its_secret(workspace: WorkspaceInfo, now: datetime) -> None:
    secret = create_key(workspace_id=workspace.id, name="site", scope=Scope.WRITE, now=now, actor="anna")
    key = find_key(secret)
    assert key is not None
    assert (key.workspace_id, key.name, key.scope) == (workspace.id, "site", Scope.WRITE)
    assert secret.startswith(key.prefix)


def test_making_a_key_is_audited_without_its_secret(workspace: WorkspaceInfo, now: datetime) -> None:
    secret = create_key(workspace_id=workspace.id, name="site", scope=Scope.WRITE, now=now, actor="anna")
    with workspace_scope(workspace.id):
        entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action) == ("anna", "key.created")
    assert secret not in str(entry.details)


def test_a_neighbors_key_cannot_be_revoked(workspace: WorkspaceInfo, neighbor: WorkspaceInfo, now: datetime) -> None:
    secret = create_key(workspace_id=neighbor.id, name="site", scope=Scope.WRITE, now=now, actor="anna")
    with workspace_scope(neighbor.id):
        key_id = list_keys()[0].id
    with pytest.raises(NotFound):
        revoke_key(workspace_id=workspace.id, key_id=key_id, now=now, actor="mallory")
    assert find_key(secret) is not None


@pytest.mark.parametrize("slug", ["", "Upper", "-x", "x-", "a b", "ü", "x" * 64])
def test_an_unusable_short_name_is_refused(database: str, slug: str, now: datetime) -> None:
    with pytest.raises(Invalid):
        create_workspace(slug=slug, name="x", now=now)


def test_a_short_name_is_taken_once(workspace: WorkspaceInfo, now: datetime) -> None:
    with pytest.raises(Conflict):
        create_workspace(slug=workspace.slug, name="x", now=now)


def test_ids_sort_by_the_time_they_were_made() -> None:
    assert uuid7(1_000) < uuid7(2_000)
    made = [uuid7() for _ in range(2_000)]
    assert len(set(made)) == len(made)
    assert all(value.version == 7 and value.variant == "specified in RFC 4122" for value in made)


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\0b"])
def test_a_key_needs_a_usable_name(workspace: WorkspaceInfo, now: datetime, name: str) -> None:
    with pytest.raises(Invalid):
        create_key(workspace_id=workspace.id, name=name, scope=Scope.WRITE, now=now, actor="anna")


@pytest.mark.parametrize(
    "wrong", [{"name": " "}, {"name": "x" * 201}, {"timezone": "Mars/Olympus"}, {"currency": "euro"}]
)
def test_a_workspace_needs_usable_facts(database: str, now: datetime, wrong: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        create_workspace(**{"slug": "odd", "name": "Odd", "now": now, **wrong})  # type: ignore[arg-type]
