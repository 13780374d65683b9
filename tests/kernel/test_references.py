"""References that are checked once a statement promise what foreign keys promise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError

from conftest import make_workspace
from kapelle.customers.models import ContactPoint, Customer, Identifier
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from kapelle.accounts.contracts import WorkspaceInfo


def _customer(now: datetime) -> Customer:
    return Customer.objects.create(batch_id=1, created_at=now, updated_at=now)


def _identifier(now: datetime, home: UUID | None) -> Identifier:
    return Identifier(
        batch_id=1,
        kind="email",
        value=f"{uuid4().hex}@example.test",
        customer_id=home,
        source="test",
        first_seen_at=now,
        is_origin=True,
        is_moved=False,
    )


def test_one_row_without_a_parent_refuses_the_whole_statement(workspace: WorkspaceInfo, now: datetime) -> None:
    with workspace_scope(workspace.id):
        good = _customer(now).id
    with pytest.raises(IntegrityError, match="identifiers_customer") as caught, workspace_scope(workspace.id):
        Identifier.objects.bulk_create([_identifier(now, good), _identifier(now, uuid4()), _identifier(now, good)])

    assert getattr(caught.value.__cause__, "sqlstate", None) == "23503"
    with workspace_scope(workspace.id):
        assert not Identifier.objects.exists()


def test_a_row_that_names_no_parent_is_let_in(workspace: WorkspaceInfo, now: datetime) -> None:
    with workspace_scope(workspace.id):
        Identifier.objects.bulk_create([_identifier(now, None)])
        assert Identifier.objects.count() == 1


def test_a_change_to_a_parent_that_is_not_there_is_refused(
    workspace: WorkspaceInfo, neighbor: WorkspaceInfo, now: datetime
) -> None:
    with workspace_scope(neighbor.id):
        theirs = _customer(now).id
    with workspace_scope(workspace.id):
        mine = _customer(now).id
        Identifier.objects.bulk_create([_identifier(now, mine)])

    for home in (uuid4(), theirs):
        with pytest.raises(IntegrityError, match="identifiers_customer"), workspace_scope(workspace.id):
            Identifier.objects.update(customer_id=home)
    with workspace_scope(workspace.id):
        assert Identifier.objects.update(customer_id=None) == 1


def test_children_and_their_children_go_with_the_parents_and_nobody_elses(
    workspace: WorkspaceInfo, neighbor: WorkspaceInfo, now: datetime
) -> None:
    for place in (workspace, neighbor):
        with workspace_scope(place.id):
            homes = [_customer(now).id for _ in range(3)]
            Identifier.objects.bulk_create([_identifier(now, home) for home in homes])
            if place is workspace:
                assert ContactPoint.objects.count() == 3
                Customer.objects.filter(id__in=homes[:2]).delete()
                assert list(Identifier.objects.values_list("customer_id", flat=True)) == homes[2:]
                assert ContactPoint.objects.count() == 1
    with workspace_scope(neighbor.id):
        assert (Identifier.objects.count(), ContactPoint.objects.count()) == (3, 3)


def test_a_workspace_that_is_not_there_gets_no_customers(database: str, now: datetime) -> None:
    with pytest.raises(IntegrityError, match="no workspace"), workspace_scope(uuid4()):
        _customer(now)


def test_customers_and_stray_identifiers_go_with_their_workspace(
    owner: psycopg.Connection[Any], neighbor: WorkspaceInfo, now: datetime
) -> None:
    gone = make_workspace(now)
    for place in (gone, neighbor):
        with workspace_scope(place.id):
            Identifier.objects.bulk_create([_identifier(now, _customer(now).id), _identifier(now, None)])

    owner.execute("DELETE FROM workspaces WHERE id = %s", [gone.id])

    for place, left in ((gone, 0), (neighbor, 2)):
        with workspace_scope(place.id):
            assert Identifier.objects.count() == ContactPoint.objects.count() == left
            assert Customer.objects.count() == left // 2
