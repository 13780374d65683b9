"""Requests, chores, jobs and commands are counted by their names, and `kapelle telemetry` tells of them."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Event as Flag
from threading import Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from django.test import Client
from procrastinate.contrib.django import app

from kapelle.events.tasks import sweeper
from kapelle.imports.actions.jobs import RUN_TASK
from kapelle.kernel.chores import Chore
from kapelle.kernel.telemetry import COUNTS, flush
from kapelle.web import jobs
from kapelle.web.cli import group
from kapelle.web.usage import _operations
from web.test_crawler import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Api
    from kapelle.accounts.contracts import WorkspaceInfo


@pytest.fixture(autouse=True)
def nothing_counted(database: str) -> Iterator[None]:
    COUNTS.take()
    yield
    COUNTS.take()


def _counted() -> dict[tuple[str, str], tuple[int, int]]:
    return {(use.kind, use.name): (usage.count, usage.failures) for use, usage in COUNTS.uses.items()}


def test_every_operation_of_the_api_has_its_name() -> None:
    known = {(method, f"/{path}") for method, path in _operations()}
    assert known >= set(OPERATIONS)


def test_requests_are_counted_by_operation_and_never_by_address(api: Api) -> None:
    made = api.post("/customers", {"email": "ann@shop.example"}, status=201)["id"]
    api.get(f"/customers/{made}")
    api.get(f"/customers/{made}/timeline")
    Client().get("/api/v1/customers/ann@shop.example")
    Client().get("/readyz")
    counted = _counted()
    assert made not in str(counted)
    assert "ann@" not in str(counted)
    assert {kind for kind, _ in counted} == {"api", "page"}
    assert sum(count for (kind, _), (count, _) in counted.items() if kind == "api") == 3
    assert counted["page", "(refused, or no such address)"] == (1, 0)
    assert counted["page", "kapelle.web.pages.ready"] == (1, 0)


def test_chores_are_counted_with_their_failures() -> None:
    stop = Flag()

    def good(_now: datetime) -> None:
        stop.set()

    def bad(_now: datetime) -> None:
        raise ValueError("ann@shop.example")

    sweeper.run(stop, [Chore("t.bad", 60, bad), Chore("t.good", 60, good)])
    assert _counted() == {("chore", "t.bad"): (1, 1), ("chore", "t.good"): (1, 0)}


def test_jobs_are_counted(owner: Any, workspace: WorkspaceInfo) -> None:
    """The real worker runs one job, which finds that its import is not there."""
    owner.execute("DELETE FROM procrastinate_jobs")  # what other tests have queued
    app.configure_task(RUN_TASK).defer(workspace_id=str(workspace.id), job_id=str(uuid4()))
    stop = Flag()
    worker = Thread(target=jobs.run, args=(stop,))
    worker.start()
    until = monotonic() + 20
    while ("job", RUN_TASK) not in _counted() and monotonic() < until:
        sleep(0.05)
    stop.set()
    worker.join()
    assert _counted()["job", RUN_TASK] == (1, 1)


def test_a_command_tells_what_was_used_what_failed_and_what_is_slow() -> None:
    now = datetime.now(UTC)
    for _ in range(5_000):
        COUNTS.note_use("api", "much_used", 0.003, failed=False, now=now)
    COUNTS.note_use("job", "very_slow", 5_000.0, failed=True, now=now)
    for _ in range(1_000):
        try:
            raise LookupError("ann@shop.example")
        except LookupError as error:
            COUNTS.note_error(error, now)
    flush(COUNTS, process="projector")
    told = CliRunner().invoke(group, ["telemetry", "--days", "1"], catch_exceptions=False, prog_name="kapelle")
    assert told.exit_code == 0, told.output
    errors, slowest, most_used = told.output.split("\n\n")[1:4]
    assert "1,000 times LookupError at tests.web.test_usage:" in errors
    assert " in projector, from " in errors
    assert slowest.splitlines()[1] == "  once job very_slow: half over 600 s, 95 of 100 over 600 s, 1 failed"
    assert "  5,000 times api much_used: half within 5 ms, 95 of 100 within 5 ms" in most_used.splitlines()
    assert "ann@" not in told.output


def test_commands_are_counted_too(owner: Any) -> None:
    def times() -> int:
        return int(
            owner.execute(
                "SELECT coalesce(sum(s), 0) FROM telemetry_uses, unnest(seconds) AS s"
                " WHERE kind = 'command' AND name = 'kapelle workspace list'"
            ).fetchone()[0]
        )

    before = times()
    CliRunner().invoke(group, ["workspace", "list"], catch_exceptions=False, prog_name="kapelle")
    assert times() == before + 1
