"""Every source of personal data says on what grounds and from where; what nobody said is visible."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from conftest import Api, make_key
from kapelle.accounts.actions import change_key, create_key, revoke_key
from kapelle.accounts.contracts import LawfulBasis, Scope
from kapelle.accounts.models import AuditEntry
from kapelle.accounts.queries import find_key
from kapelle.imports.actions.sources import create_source
from kapelle.imports.contracts.sources import SourceInvalid
from kapelle.kernel.errors import Invalid, NotFound
from kapelle.kernel.tenancy import workspace_scope
from kapelle.web.cli.import_command import command as import_command
from kapelle.web.cli.key_command import command as key_command
from kapelle.web.cli.source_command import command as source_command

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import click

    from imports.conftest import Importing
    from kapelle.accounts.contracts import WorkspaceInfo

PEOPLE = "email\nann@example.test\n"
PLACE = {"protocol": "http", "url": "https://shop.example/people.csv"}
SCHEDULE: dict[str, Any] = {"place": PLACE, "every_hours": 6}


@pytest.fixture
def api(workspace: WorkspaceInfo, now: datetime) -> Api:
    return Api(make_key(workspace, "admin", now))


def _key(workspace_id: UUID, now: datetime, scope: Scope = Scope.WRITE, **stated: Any) -> UUID:
    found = find_key(create_key(workspace_id=workspace_id, name="site", scope=scope, now=now, actor="anna", **stated))
    assert found is not None
    return found.id


def test_keys_imports_and_scheduled_sources_stand_in_one_list(
    importing: Importing, workspace: WorkspaceInfo, now: datetime, api: Api
) -> None:
    _key(workspace.id, now - timedelta(days=3), lawful_basis=LawfulBasis.CONSENT, origin="the form on our site")
    _key(workspace.id, now - timedelta(days=2), scope=Scope.READ)
    importing.now = now + timedelta(hours=1)
    job = importing.run("customers", PEOPLE, lawful_basis=LawfulBasis.CONTRACT, origin="the till")
    importing.run("customers", PEOPLE, is_dry_run=True)
    importing.run("products", "external_id,name\n1,Tea\n", {"columns": {"external_id": "external_id", "name": "name"}})
    create_source(
        workspace_id=workspace.id, now=now + timedelta(hours=2), actor="anna", name="nightly", kind="orders",
        origin="the shop", lawful_basis=LawfulBasis.CONTRACT, **SCHEDULE,
    )  # fmt: skip
    importing.now = now + timedelta(hours=3)
    importing.run("customers", PEOPLE)
    importing.undo(job)

    listed = api.get("/privacy/sources")
    assert listed["next_cursor"] is None
    assert [(item["kind"], item["name"], item["lawful_basis"], item["origin"]) for item in listed["items"]] == [
        ("import", "file.csv", "not_stated", "not_stated"),
        ("scheduled_source", "nightly", "contract", "the shop"),
        ("import", "file.csv", "contract", "the till"),
        ("api_key", "test", "not_stated", "not_stated"),
        ("api_key", "site", "consent", "the form on our site"),
    ]
    assert [item["ended_at"] is not None for item in listed["items"]] == [False, False, True, False, False]
    silent = api.get("/privacy/sources?lawful_basis=not_stated")["items"]
    assert [item["kind"] for item in silent] == ["import", "api_key"]
    assert api.call("GET", "/privacy/sources?lawful_basis=because", status=422)["code"]


def test_pages_leave_nothing_out_and_repeat_nothing(
    importing: Importing, workspace: WorkspaceInfo, now: datetime, api: Api
) -> None:
    importing.now = now  # all of one instant: only ids tell them apart
    for _ in range(3):
        importing.run("customers", PEOPLE)
        _key(workspace.id, now)
    whole = [item["id"] for item in api.get("/privacy/sources")["items"]]
    assert len(set(whole)) == 7
    paged: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.get(f"/privacy/sources?limit=2&cursor={cursor}")
        assert len(page["items"]) <= 2
        paged += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert paged == whole


def test_a_neighbors_sources_are_not_listed(
    workspace: WorkspaceInfo, neighbor: WorkspaceInfo, now: datetime, api: Api
) -> None:
    _key(neighbor.id, now)
    assert [item["name"] for item in api.get("/privacy/sources")["items"]] == ["test"]


def test_a_key_says_later_what_it_did_not_say_at_first(workspace: WorkspaceInfo, now: datetime) -> None:
    key_id = _key(workspace.id, now)

    def state(**stated: Any) -> tuple[str, str]:
        key = change_key(workspace_id=workspace.id, key_id=key_id, now=now, actor="anna", **stated)
        return key.lawful_basis, key.origin

    assert state() == ("not_stated", "")
    assert state(lawful_basis=LawfulBasis.LEGITIMATE_INTERESTS) == ("legitimate_interests", "")
    assert state(origin=" the app ") == ("legitimate_interests", "the app")
    assert state(origin="the app") == ("legitimate_interests", "the app")
    with workspace_scope(workspace.id):
        told = AuditEntry.objects.filter(action="key.changed").order_by("id").values_list("details", flat=True)
        assert list(told) == [{"lawful_basis": "legitimate_interests"}, {"origin": "the app"}]
    revoke_key(workspace_id=workspace.id, key_id=key_id, now=now, actor="anna")
    assert state(origin="the old app")[1] == "the old app", "what came in by it is still there"


def test_a_neighbors_key_says_nothing_for_a_stranger(
    workspace: WorkspaceInfo, neighbor: WorkspaceInfo, now: datetime
) -> None:
    key_id = _key(neighbor.id, now)
    with pytest.raises(NotFound):
        change_key(workspace_id=workspace.id, key_id=key_id, now=now, actor="mallory", origin="mine")


@pytest.mark.parametrize("origin", ["x" * 2001, "a\0b"])
def test_an_origin_is_text_of_usable_length(importing: Importing, now: datetime, origin: str) -> None:
    with pytest.raises(Invalid):
        _key(importing.workspace_id, now, origin=origin)
    with pytest.raises(Invalid):
        importing.prepare("customers", PEOPLE, origin=origin)


def test_an_upload_names_one_of_the_grounds(api: Api) -> None:
    def upload(**fields: str) -> tuple[int, dict[str, Any]]:
        file = SimpleUploadedFile("people.csv", PEOPLE.encode())
        answer = api.client.post("/api/v1/imports", {"kind": "customers", "file": file, **fields})
        return answer.status_code, answer.json()

    status, job = upload(lawful_basis="public_task", origin="the register")
    assert (status, job["lawful_basis"], job["origin"]) == (202, "public_task", "the register")
    status, problem = upload(lawful_basis="because")
    assert status == 422
    assert problem["fields"][0]["field"] == "lawful_basis"


def test_a_schedule_of_products_needs_no_grounds_and_one_of_people_does(
    workspace: WorkspaceInfo, now: datetime
) -> None:
    def make(kind: str, **stated: Any) -> None:
        create_source(workspace_id=workspace.id, now=now, actor="anna", name=kind, kind=kind, **SCHEDULE, **stated)

    make("products")
    for stated in ({}, {"origin": "the shop"}, {"lawful_basis": "consent"}, {"origin": "x", "lawful_basis": "because"}):
        with pytest.raises(SourceInvalid):
            make("customers", **stated)
    make("customers", origin="the shop", lawful_basis="consent")


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (key_command, ["create", "--name=x", "--scope=write"]),
        (import_command, ["customers", __file__]),
        (source_command, ["create", "--name=x", "--kind=customers", "--place={}"]),
    ],
)
def test_the_command_line_takes_the_words_of_the_api(command: click.Group, arguments: list[str]) -> None:
    name, *given = arguments
    for options, basis in (([], "not_stated"), (["--lawful-basis=public_task"], "public_task")):
        context = command.commands[name].make_context(name, [*given, "--workspace=x", *options])
        assert LawfulBasis(context.params["lawful_basis"]) == basis
