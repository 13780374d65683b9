"""Sources: each new file comes in once, from real servers; faults are told and tried again; secrets stay sealed."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from conftest import NOW, Api
from http_servers import Site, serving
from imports.s3_server import Bucket
from imports.sftp_server import SSHD, SftpServer, sftp_server
from kapelle.customers.models import Customer
from kapelle.imports.actions import connectors, sources
from kapelle.imports.actions.running import run_job
from kapelle.imports.actions.source_running import run_source
from kapelle.imports.actions.sources import change_source, create_source, next_run, take_turn
from kapelle.imports.contracts.sources import SourceInvalid
from kapelle.imports.models import ImportJob, ImportSource
from kapelle.imports.queries.sources import get_source, list_due_sources
from kapelle.kernel.http import GuardedClient, UrlRefused
from kapelle.kernel.http.addresses import Allowance
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kapelle.accounts.contracts import WorkspaceInfo
    from kapelle.imports.contracts.sources import SourceInfo, SourceRunInfo

COMMON = {"kind": "customers", "every_hours": 6, "origin": "the shop's till", "lawful_basis": "contract"}


class Sourcing:
    """A workspace whose sources may be on loopback."""

    def __init__(self, workspace: WorkspaceInfo) -> None:
        self.workspace_id = workspace.id
        self.now = NOW

    def make(self, place: dict[str, Any], secret: str = "", **fields: Any) -> SourceInfo:
        given = {"name": "till", "place": place, **COMMON, **fields}
        return create_source(workspace_id=self.workspace_id, now=self.now, actor="test", secret=secret, **given)

    def look(self, source: SourceInfo) -> SourceRunInfo:
        """Look, and run the imports that came of it."""
        run = run_source(workspace_id=self.workspace_id, source_id=source.id, clock=lambda: self.now)
        for item in run.files:
            if "import_id" in item:
                job_id = UUID(item["import_id"])
                run_job(workspace_id=self.workspace_id, job_id=job_id, clock=lambda: self.now)
        return run

    def state(self, source: SourceInfo) -> SourceInfo:
        with workspace_scope(self.workspace_id):
            return get_source(source.id)

    def emails(self) -> set[str]:
        with workspace_scope(self.workspace_id):
            return set(Customer.objects.values_list("email", flat=True))


@pytest.fixture
def sourcing(workspace: WorkspaceInfo, monkeypatch: pytest.MonkeyPatch) -> Sourcing:
    client = GuardedClient(allowance=Allowance.parse("127.0.0.1:*"))
    for module in (connectors, sources):
        monkeypatch.setattr(module, "default_client", lambda: client)
    return Sourcing(workspace)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as made:
        yield made


def names(run: SourceRunInfo) -> list[str]:
    return [item["name"] for item in run.files if "import_id" in item]


def test_a_file_at_an_address_comes_in_and_is_not_fetched_again_until_it_changes(
    sourcing: Sourcing, site: Site
) -> None:
    versions = {'"1"': b"email\nada@example.org\n", '"2"': b"email\nada@example.org\nboris@example.org\n"}
    current = '"1"'

    def answer(handler: Any) -> None:
        fresh = handler.headers.get("If-None-Match") == current
        handler.send_response(304 if fresh else 200)
        handler.send_header("ETag", current)
        handler.send_header("Content-Length", str(0 if fresh else len(versions[current])))
        handler.end_headers()
        handler.wfile.write(b"" if fresh else versions[current])

    site.pages["/people.csv"] = answer
    source = sourcing.make(
        {"protocol": "http", "url": f"http://127.0.0.1:{site.port}/people.csv", "username": "shop"}, "pa:ss"
    )
    assert names(sourcing.look(source)) == ["people.csv"]
    assert site.asked[0][1]["Authorization"] == "Basic c2hvcDpwYTpzcw=="
    assert names(sourcing.look(source)) == []
    current = '"2"'
    assert names(sourcing.look(source)) == ["people.csv"]
    assert sourcing.emails() == {"ada@example.org", "boris@example.org"}
    with workspace_scope(sourcing.workspace_id):
        job = ImportJob.objects.first()
    assert job is not None
    assert (job.origin, job.lawful_basis, job.actor) == ("the shop's till", "contract", "source:till")


@pytest.mark.parametrize("header", [{"Last_Modified": "Sat, 21 Nov 2026 07:28:00 GMT"}, {}])
def test_a_server_without_etags_is_not_imported_twice_either(
    sourcing: Sourcing, site: Site, header: dict[str, str]
) -> None:
    site.page("/people.csv", b"email\nada@example.org\n", **header)
    source = sourcing.make({"protocol": "http", "url": f"http://127.0.0.1:{site.port}/people.csv"})
    assert [len(names(sourcing.look(source))) for _ in range(3)] == [1, 0, 0]
    assert site.asked[1][1].get("If-Modified-Since") == header.get("Last_Modified")


def test_faults_are_told_tried_again_sooner_and_forgotten_after_a_success(sourcing: Sourcing, site: Site) -> None:
    site.page("/people.csv", b"broken", status=500)
    source = sourcing.make({"protocol": "http", "url": f"http://127.0.0.1:{site.port}/people.csv"})
    assert "500" in sourcing.look(source).error
    state = sourcing.state(source)
    assert ("500" in state.last_error, state.failures) == (True, 1)
    assert state.next_run_at == NOW + timedelta(minutes=5)
    sourcing.look(source)
    assert sourcing.state(source).next_run_at == NOW + timedelta(minutes=10)

    def cut(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"email\n")

    site.pages["/people.csv"] = cut
    assert "broke off" in sourcing.look(source).error
    site.page("/people.csv", b"email\nada@example.org\n")
    assert sourcing.look(source).error == ""
    state = sourcing.state(source)
    assert (state.last_error, state.failures, state.files_taken) == ("", 0, 1)
    assert state.next_run_at == NOW + timedelta(hours=6)


def test_a_file_that_is_no_table_is_told_and_does_not_stop_the_next_look(sourcing: Sourcing, site: Site) -> None:
    site.page("/people.csv", b"")
    source = sourcing.make({"protocol": "http", "url": f"http://127.0.0.1:{site.port}/people.csv"})
    run = sourcing.look(source)
    assert run.files[0]["error"] == "The file is empty."
    assert "people.csv" in sourcing.state(source).last_error


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    with sftp_server(tmp_path_factory.mktemp("sshd")) as made:
        yield made


needs_sshd = pytest.mark.skipif(not SSHD.exists(), reason="Debian's openssh-server is not on this machine")


def sftp_place(server: SftpServer, folder: Path, **other: Any) -> dict[str, Any]:
    return {
        "protocol": "sftp",
        "host": "127.0.0.1",
        "port": server.port,
        "username": server.user,
        "host_key": server.host_key,
        "folder": str(folder),
        **other,
    }


@needs_sshd
def test_new_files_of_an_sftp_folder_come_in_once_by_name_and_time(
    sourcing: Sourcing, server: SftpServer, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("email\nada@example.org\n")
    (tmp_path / "b.csv").write_text("email\n" + "".join(f"u{n}@example.org\n" for n in range(8_000)))
    (tmp_path / "notes.txt").write_text("not this one")
    (tmp_path / "sub.csv").mkdir()
    source = sourcing.make(sftp_place(server, tmp_path), server.key, pattern="*.csv")
    first = sourcing.look(source)
    assert (first.error, names(first)) == ("", ["a.csv", "b.csv"])
    assert len(sourcing.emails()) == 8_001
    assert names(sourcing.look(source)) == []
    (tmp_path / "a.csv").write_text("email\nbea@example.org\n")
    os.utime(tmp_path / "a.csv", (NOW.timestamp(), NOW.timestamp()))
    (tmp_path / "c.csv").write_text("email\ncara@example.org\n")
    assert names(sourcing.look(source)) == ["a.csv", "c.csv"]
    assert sourcing.emails() >= {"ada@example.org", "bea@example.org", "cara@example.org"}


@needs_sshd
def test_an_sftp_server_with_another_key_gets_nothing_and_a_wrong_login_is_told(
    sourcing: Sourcing, server: SftpServer, tmp_path: Path
) -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeX"
    impostor = sourcing.make(sftp_place(server, tmp_path, host_key=other), server.key, name="impostor")
    assert "No SFTP connection" in sourcing.look(impostor).error
    wrong = sourcing.make(sftp_place(server, tmp_path), "password", name="wrong")
    assert "Permission denied" in sourcing.look(wrong).error
    gone = sourcing.make(sftp_place(server, tmp_path / "gone"), server.key, name="gone")
    assert "No such file" in sourcing.look(gone).error


def test_a_bucket_is_listed_page_by_page_and_its_new_files_come_in_once(sourcing: Sourcing, site: Site) -> None:
    bucket = Bucket(site, access="AKIA1", secret="s3cr3t/+", region="eu-central-1")
    for number in range(5):
        bucket.files[f"in/päck & {number}+.csv"] = f"email\nu{number}@example.org\n".encode()
    bucket.files["other/x.csv"] = b"email\nnobody@example.org\n"
    place = {
        "protocol": "s3",
        "endpoint": f"http://127.0.0.1:{site.port}",
        "bucket": "shop",
        "access_key": "AKIA1",
        "region": "eu-central-1",
        "prefix": "in/",
    }
    source = sourcing.make(place, "s3cr3t/+")
    assert len(names(sourcing.look(source))) == 5
    assert sourcing.emails() == {f"u{number}@example.org" for number in range(5)}
    bucket.files["in/päck & 0+.csv"] = b"email\nnew@example.org\n"
    assert len(names(sourcing.look(source))) == 1
    assert bucket.refused == 0
    wrong = sourcing.make(place, "another", name="wrong")
    assert "refuses the access key" in sourcing.look(wrong).error


def test_a_source_names_its_origin_and_lawful_basis_and_a_schedule_that_makes_sense(sourcing: Sourcing) -> None:
    place = {"protocol": "http", "url": "https://shop.example/people.csv"}
    for bad in (
        {"origin": " "},
        {"lawful_basis": ""},
        {"every_hours": 0},
        {"every_hours": 5, "daily_at": "06:30"},
        {"every_hours": None, "daily_at": "25:00"},
        {"place": {"protocol": "ftp", "host": "x"}},
        {"place": {"protocol": "sftp", "host": "x", "username": "u", "host_key": "none"}},
    ):
        with pytest.raises(SourceInvalid):
            sourcing.make(**{"place": place, **bad})
    with pytest.raises(UrlRefused):
        sourcing.make({"protocol": "http", "url": "file:///etc/passwd"})
    with pytest.raises(UrlRefused):
        sourcing.make({"protocol": "s3", "endpoint": "http://10.0.0.1:5432", "bucket": "b", "access_key": "a"})


def test_a_source_inside_of_the_network_is_refused_at_each_look(workspace: WorkspaceInfo, server: SftpServer) -> None:
    sourcing = Sourcing(workspace)
    inner = sourcing.make({"protocol": "http", "url": "http://localhost/people.csv"}, name="web")
    assert "private or local network" in sourcing.look(inner).error
    ssh = sourcing.make(sftp_place(server, Path("/")), server.key, name="ssh")
    assert "private or local network" in sourcing.look(ssh).error


def test_a_daily_time_is_meant_in_the_workspaces_zone_and_survives_the_change_of_clocks() -> None:
    row = ImportSource(workspace_id=UUID(int=1), daily_at="06:30", failures=0)
    seen = []
    for at in (datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 7, 1, 3, tzinfo=UTC)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sources, "get_workspace_by_id", lambda _: type("W", (), {"timezone": "Europe/Berlin"}))
            seen.append(next_run(row, now=at))
    assert seen == [datetime(2026, 3, 29, 4, 30, tzinfo=UTC), datetime(2026, 7, 1, 4, 30, tzinfo=UTC)]


def test_one_worker_is_sent_to_a_due_source_and_none_to_a_paused_one(sourcing: Sourcing) -> None:
    source = sourcing.make({"protocol": "http", "url": "https://shop.example/people.csv"})
    turn = {"workspace_id": sourcing.workspace_id, "source_id": source.id}
    assert [take_turn(**turn, now=NOW) for _ in range(2)] == [True, False]
    assert take_turn(**turn, now=NOW + timedelta(minutes=16))  # whoever had it died
    change_source(**turn, now=NOW, actor="test", is_paused=True)
    with workspace_scope(sourcing.workspace_id):
        assert list_due_sources(now=NOW + timedelta(days=9)) == []


def test_a_secret_is_sealed_never_shown_and_never_sent_to_another_place(sourcing: Sourcing, api: Api) -> None:
    body = {**COMMON, "name": "shop", "place": {"protocol": "http", "url": "https://shop.example/a"}, "secret": "hush"}
    made = api.post("/sources", body, status=201)
    assert made["has_secret"]
    assert "hush" not in str(api.get("/sources")) + str(api.get(f"/sources/{made['id']}"))
    with workspace_scope(sourcing.workspace_id):
        assert b"hush" not in bytes(ImportSource.objects.get(id=made["id"]).secret)
    moved = {"place": {"protocol": "http", "url": "https://evil.example/a"}}
    refused = api.call("PATCH", f"/sources/{made['id']}", moved, status=422)
    assert refused["code"] == "source_invalid"
    assert not api.call("PATCH", f"/sources/{made['id']}", {**moved, "secret": ""})["has_secret"]
    paused = api.call("PATCH", f"/sources/{made['id']}", {"is_paused": True, "daily_at": "06:30"})
    assert (paused["next_run_at"], paused["daily_at"], paused["every_hours"]) == (None, "06:30", None)
    api.post(f"/sources/{made['id']}/run", status=202)
    assert api.get(f"/sources/{made['id']}/runs")["items"] == []
    api.call("DELETE", f"/sources/{made['id']}", status=204)
    assert api.get("/sources") == []
