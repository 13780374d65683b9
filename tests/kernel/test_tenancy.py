"""The two walls between workspaces, each tried without the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from kapelle.customers.models import AttributeDefinition, Customer, Identifier
from kapelle.kernel.tenancy import WorkspaceMissing, current_workspace, workspace_scope

if TYPE_CHECKING:
    from datetime import datetime

    from kapelle.accounts.contracts import WorkspaceInfo


def _define(name: str, now: datetime) -> None:
    AttributeDefinition.objects.create(name=name, type="string", created_at=now)


def _select_names() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM attribute_definitions ORDER BY name")
        return [row[0] for row in cursor.fetchall()]


def test_a_query_outside_a_scope_is_refused(workspace: WorkspaceInfo) -> None:
    with pytest.raises(WorkspaceMissing):
        AttributeDefinition.objects.count()


def test_raw_sql_outside_a_scope_sees_no_rows(workspace: WorkspaceInfo, now: datetime) -> None:
    with workspace_scope(workspace.id):
        _define("size", now)

    assert _select_names() == []


def test_raw_sql_sees_only_its_own_workspace(workspace: WorkspaceInfo, neighbor: WorkspaceInfo, now: datetime) -> None:
    with workspace_scope(workspace.id):
        _define("mine", now)
    with workspace_scope(neighbor.id):
        _define("theirs", now)
        assert _select_names() == ["theirs"]


def test_a_row_cannot_be_written_into_a_neighbors_workspace(
    workspace: WorkspaceInfo, neighbor: WorkspaceInfo, now: datetime
) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"), workspace_scope(workspace.id):
        AttributeDefinition(workspace_id=neighbor.id, name="x", type="string", created_at=now).save(force_insert=True)


def test_a_neighbors_id_is_refused_by_the_composite_foreign_key(
    workspace: WorkspaceInfo, neighbor: WorkspaceInfo, now: datetime
) -> None:
    with workspace_scope(neighbor.id):
        theirs = Customer.objects.create(batch_id=1, created_at=now, updated_at=now)

    with pytest.raises(IntegrityError, match="identifiers_customer"), workspace_scope(workspace.id):
        Identifier.objects.create(
            batch_id=1,
            kind="email",
            value="a@example.test",
            customer_id=theirs.id,
            first_seen_at=now,
            is_origin=True,
            is_moved=True,
        )


def test_an_inner_scope_gives_the_outer_one_back(
    workspace: WorkspaceInfo, neighbor: WorkspaceInfo, now: datetime
) -> None:
    with workspace_scope(workspace.id):
        _define("outer", now)
        with workspace_scope(neighbor.id):
            assert current_workspace() == neighbor.id
        assert current_workspace() == workspace.id
        assert _select_names() == ["outer"]


def test_an_error_in_an_inner_scope_gives_the_outer_one_back(
    workspace: WorkspaceInfo, neighbor: WorkspaceInfo, now: datetime
) -> None:
    with workspace_scope(workspace.id):
        _define("outer", now)
        with pytest.raises(ZeroDivisionError), workspace_scope(neighbor.id):
            raise ZeroDivisionError
        assert _select_names() == ["outer"]


def test_the_setting_does_not_outlive_the_transaction(workspace: WorkspaceInfo) -> None:
    with workspace_scope(workspace.id):
        pass
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('kapelle.workspace', true)")
        assert cursor.fetchone()[0] in ("", None)


def test_the_owner_is_held_by_row_level_security_as_well(workspace: WorkspaceInfo, owner: Any, now: datetime) -> None:
    with workspace_scope(workspace.id):
        _define("size", now)

    assert owner.execute("SELECT count(*) FROM attribute_definitions").fetchone()[0] == 0


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM inbox",
        "DELETE FROM inbox",
        "SELECT * FROM {partition}",
        "ALTER TABLE customers DISABLE ROW LEVEL SECURITY",
        "DROP TABLE customers",
        "SET ROLE kapelle_root",
        "CREATE TABLE loot (id int)",
    ],
)
def test_the_app_role_may_not(database: str, owner: Any, statement: str) -> None:
    owner.execute("SELECT ensure_events_partition('2026-11-01')")
    refused = pytest.raises(Exception, match=r"permission denied|must be owner|does not exist")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(partition="events_202611"))


def test_a_partition_is_made_by_the_owners_function_and_closed_to_the_app_role(workspace: WorkspaceInfo) -> None:
    with workspace_scope(workspace.id), connection.cursor() as cursor:
        cursor.execute("SELECT ensure_events_partition('2031-05-17')")
        cursor.execute("SELECT has_table_privilege('kapelle_app', 'events_203105', 'SELECT')")
        assert cursor.fetchone()[0] is False


def test_an_unknown_workspace_sees_nothing(database: str) -> None:
    with workspace_scope(uuid4()):
        assert Customer.objects.count() == 0


def test_the_wall_is_asked_once_a_statement_and_is_served_by_indexes(workspace: WorkspaceInfo) -> None:
    with workspace_scope(workspace.id), connection.cursor() as cursor:
        cursor.execute("EXPLAIN (COSTS OFF) SELECT value FROM identifiers WHERE kind = 'user_id' AND value = 'u1'")
        found = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("EXPLAIN (COSTS OFF) SELECT id FROM events WHERE origin_id = gen_random_uuid()")
        events = "\n".join(line for (line,) in cursor.fetchall())
    for plan in (found, events):
        assert "InitPlan" in plan, plan
        assert "current_setting" not in plan, plan
    assert "Index Cond" in found, found
