"""One person is erased everywhere, for good, and nobody else is touched."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.db import connection

from conftest import database_role
from kapelle.kernel.errors import NotFound
from kapelle.kernel.postgres import Cluster
from kapelle.kernel.postgres.binaries import installed
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.actions import Disarmed, arm, check_armed
from kapelle.privacy.actions import erase_next, preview_erasure, replay_erasures, request_erasure
from kapelle.privacy.actions.erasure_log import read_log
from kapelle.privacy.contracts import NotYet, SuppressionReason
from kapelle.privacy.queries import find_suppressed, get_erasure
from privacy.person import DEVICE, EMAIL, TRACES, USER, Traffic, live_a_life, sign_up, traces
from road import minutes, track

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from conftest import Api
    from kapelle.accounts.contracts import WorkspaceInfo
    from kapelle.kernel.config import Config

DOOMED = Path(__file__).with_name("doomed.py")


@pytest.fixture
def road(database: str, workspace: WorkspaceInfo, now: datetime) -> Iterator[Traffic]:
    with database_role("kapelle_projector"):
        yield Traffic(database, workspace.id, now)


def erase(workspace: WorkspaceInfo, customer_id: UUID, now: datetime) -> UUID:
    erasure = request_erasure(workspace_id=workspace.id, customer_id=customer_id, actor="test", now=now)
    while erase_next(workspace_id=workspace.id, erasure_id=erasure.id, now=now):
        pass
    return erasure.id


def _tool(name: str, *arguments: str) -> None:
    subprocess.run([str(installed() / name), *arguments], check=True, timeout=120)


@contextmanager
def _restored(config: Config, dump: Path) -> Iterator[psycopg.Connection[Any]]:
    """A new database from the dump; Django works on it. Gives the owner's connection to it."""
    admin = Cluster(config).admin_url()
    name = f"restored_{secrets.token_hex(4)}"
    with psycopg.connect(admin, autocommit=True) as root:
        root.execute(f"CREATE DATABASE {name} OWNER kapelle_owner")
    _tool("pg_restore", "-d", psycopg.conninfo.make_conninfo(admin, dbname=name), str(dump))
    usual = connection.settings_dict["NAME"]
    try:
        connection.close()
        connection.settings_dict["NAME"] = name
        owner = psycopg.conninfo.make_conninfo(Cluster(config).owner_url(), dbname=name)
        with psycopg.connect(owner, autocommit=True) as opened:
            yield opened
    finally:
        connection.close()
        connection.settings_dict["NAME"] = usual
        with psycopg.connect(admin, autocommit=True) as root:
            root.execute(f"DROP DATABASE {name} WITH (FORCE)")


def bobs(road: Traffic) -> list[tuple[Any, ...]]:
    return road.rows("""
        SELECT c.first_name, i.value, e.message_id, s.address FROM customers c
        JOIN identifiers i ON i.customer_id = c.id JOIN events e ON e.origin_id = c.id
        JOIN sends s ON s.customer_id = c.id WHERE c.first_name = 'Bob' ORDER BY 1, 2, 3
    """)


TABLES = """
customers identifiers events orders sends segment_members quarantined_events import_errors import_jobs idempotency_keys
consent_entries consent_states suppressions
"""


def test_nothing_is_left_of_an_erased_person_in_any_table_or_file(
    road: Traffic, workspace: WorkspaceInfo, api: Api, owner: Any, config: Config, now: datetime
) -> None:
    of_other_tests = {path for path in (config.home / "imports").rglob("*") if path.is_file()}
    customer_id = live_a_life(road, workspace, api)
    before = traces(owner, workspace.id, customer_id)
    assert before.keys() >= set(TABLES.split())
    others = bobs(road)
    assert others

    erasure_id = erase(workspace, customer_id, now)

    assert traces(owner, workspace.id, customer_id) == {}
    assert bobs(road) == others
    for path in config.home.rglob("*"):
        if path.is_file() and not path.is_relative_to(config.home / "postgres") and path not in of_other_tests:
            assert not TRACES.search(path.read_bytes().decode("latin-1")), path
    with workspace_scope(workspace.id):
        proof = get_erasure(erasure_id)
    assert proof.counts["events"] == 4
    assert {"customers", "identifiers", "sends", "imported files"} <= proof.counts.keys()
    assert road.rows("SELECT external_id, total::int, origin_id, attributes::text FROM orders") == [
        ("o-1", 30, None, "{}")
    ]
    assert road.rows("SELECT count(*), count(address) FROM sends") == [(2, 1)]
    assert road.rows("SELECT subject FROM erasures") == [(None,)]


def test_a_dry_run_says_what_would_go_and_changes_nothing(
    road: Traffic, workspace: WorkspaceInfo, api: Api, owner: Any, now: datetime
) -> None:
    customer_id = live_a_life(road, workspace, api)
    before = traces(owner, workspace.id, customer_id)
    preview = preview_erasure(workspace_id=workspace.id, customer_id=customer_id, now=now)
    assert traces(owner, workspace.id, customer_id) == before
    erasure_id = erase(workspace, customer_id, now)
    with workspace_scope(workspace.id):
        assert (preview.counts, preview.is_complete) == (get_erasure(erasure_id).counts, True)


def test_asking_again_answers_with_the_same_erasure(
    road: Traffic, workspace: WorkspaceInfo, api: Api, neighbor: WorkspaceInfo, now: datetime
) -> None:
    customer_id = live_a_life(road, workspace, api)
    with pytest.raises(NotFound):
        request_erasure(workspace_id=neighbor.id, customer_id=customer_id, actor="test", now=now)
    assert erase(workspace, customer_id, now) == erase(workspace, customer_id, now)


def test_what_was_on_its_way_does_not_bring_the_person_back_and_a_new_sign_up_is_a_new_person(
    road: Traffic, workspace: WorkspaceInfo, api: Api, owner: Any, now: datetime
) -> None:
    customer_id = live_a_life(road, workspace, api)
    road.send(track("waiting", user=USER, at=minutes(now, -1)), received_at=now)
    erase(workspace, customer_id, now)
    road.now = now + timedelta(minutes=5)
    road.go(sign_up(road, minutes(now, -30), "late"), track("late2", anonymous=DEVICE, at=minutes(now, -20)))
    assert traces(owner, workspace.id, customer_id) == {}
    assert road.rows("SELECT gate, count FROM withheld_events") == [("erased", 3)]

    road.go(sign_up(road, minutes(now, 2), "anew"))
    assert road.profile(user_id=USER)["id"] != customer_id
    kept = {name for (name,) in road.rows("SELECT message_id FROM events WHERE kind <> 'consent'")}
    assert kept == {"anew", "other", "theirs"}


def test_who_had_left_is_not_written_to_until_they_say_so_anew(
    road: Traffic, workspace: WorkspaceInfo, api: Api, now: datetime
) -> None:
    def suppressed() -> dict[str, SuppressionReason]:
        with workspace_scope(workspace.id):
            return find_suppressed(channel="email", addresses=[EMAIL, "bob@example.test"])

    erase(workspace, live_a_life(road, workspace, api), now)
    assert suppressed() == {EMAIL: SuppressionReason.UNSUBSCRIBED}
    assert road.rows("SELECT FROM suppressions") == []
    road.now = now + timedelta(minutes=5)
    subscribed = {"channel": "email", "status": "granted", "address": EMAIL}
    road.go(sign_up(road, minutes(now, 1), "anew"))
    assert suppressed() == {EMAIL: SuppressionReason.UNSUBSCRIBED}
    road.go(track("yes", user=USER, event="Subscription Changed", properties=subscribed, at=minutes(now, 2)))
    assert suppressed() == {}


def test_an_erasure_waits_for_a_mail_that_is_on_the_wire(
    road: Traffic, workspace: WorkspaceInfo, api: Api, owner: Any, now: datetime
) -> None:
    customer_id = live_a_life(road, workspace, api)
    with workspace_scope(workspace.id), connection.cursor() as cursor:
        cursor.execute("UPDATE sends SET status = 'handing' WHERE customer_id = %s", [customer_id])
    with pytest.raises(NotYet):
        erase(workspace, customer_id, now)
    with workspace_scope(workspace.id), connection.cursor() as cursor:
        cursor.execute("UPDATE sends SET status = 'sent' WHERE status = 'handing'")
    erase(workspace, customer_id, now)
    assert traces(owner, workspace.id, customer_id) == {}


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["erasure.after_step:2", "erasure.after_step:9", "erasure.before_done"])
def test_a_killed_erasure_goes_on_where_it_was(
    road: Traffic, workspace: WorkspaceInfo, api: Api, owner: Any, database: str, now: datetime, fault: str
) -> None:
    customer_id = live_a_life(road, workspace, api)
    erasure = request_erasure(workspace_id=workspace.id, customer_id=customer_id, actor="test", now=now)
    command = [sys.executable, str(DOOMED), str(workspace.id), str(erasure.id)]
    environment = {**os.environ, "KAPELLE_FAULT": fault, "DATABASE_URL": database}
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    assert road.rows("SELECT status FROM erasures") == [("running",)]
    assert subprocess.run(command, env={**environment, "KAPELLE_FAULT": ""}, check=False).returncode == 0
    assert traces(owner, workspace.id, customer_id) == {}
    assert [entry.id for entry in read_log()].count(erasure.id) == 1


def test_a_restored_backup_forgets_again_whom_it_had_forgotten(
    road: Traffic, workspace: WorkspaceInfo, api: Api, config: Config, now: datetime, tmp_path: Path
) -> None:
    if config.database_url:
        pytest.skip("only the embedded server's superuser can put a whole database back")
    customer_id = live_a_life(road, workspace, api)
    check_armed(workspace_id=workspace.id, now=now, anew=True)
    dump = tmp_path / "backup.dump"
    _tool("pg_dump", "-Fc", "-f", str(dump), "-d", Cluster(config).admin_url())
    check_armed(workspace_id=workspace.id, now=now, anew=True)
    erase(workspace, customer_id, now)

    with _restored(config, dump) as owner:
        assert traces(owner, workspace.id, customer_id), "the backup still has the person"
        with pytest.raises(Disarmed):
            check_armed(workspace_id=workspace.id, now=now, anew=True)
        assert replay_erasures(now=now + timedelta(days=1)) >= 1
        assert traces(owner, workspace.id, customer_id) == {}
        with pytest.raises(Disarmed):
            check_armed(workspace_id=workspace.id, now=now, anew=True)
        arm(workspace_id=workspace.id, now=now, actor="test")
        assert replay_erasures(now=now + timedelta(days=1)) == 0
        with workspace_scope(workspace.id):
            assert find_suppressed(channel="email", addresses=[EMAIL]) == {EMAIL: SuppressionReason.UNSUBSCRIBED}
