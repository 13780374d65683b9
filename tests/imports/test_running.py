"""Jobs: progress in the rows' own transaction, resumed after kills without a row lost or doubled, canceled, listed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from imports.retail import HEADER, line
from kapelle.catalog.models import Order, OrderLine
from kapelle.customers.models import Customer
from kapelle.imports.actions import running
from kapelle.imports.actions.jobs import cancel_job
from kapelle.imports.actions.running import alone, run_job
from kapelle.imports.actions.undoing import request_undo
from kapelle.imports.contracts import JobStatus, get_importer
from kapelle.imports.models import ImportJob, ImportRowError
from kapelle.imports.queries import get_job, job_folder, list_jobs, list_stalled
from kapelle.imports.tasks import run_import
from kapelle.kernel.errors import Conflict, NotFound
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from conftest import Api
    from imports.conftest import Importing

DOOMED = Path(__file__).with_name("doomed.py")


def _text(count: int) -> str:
    return HEADER + "".join(line(f"{n % 25}", f"S{n % 7}", 1, "1.00", customer=f"u{n % 5 + 1}") for n in range(count))


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["imports.before_commit:2", "imports.after_commit:3"])
def test_a_killed_import_goes_on_where_it_stood(importing: Importing, database: str, fault: str) -> None:
    job = importing.prepare("orders", _text(60) + "bad,,,,,,,\n")
    environment = {**os.environ, "KAPELLE_FAULT": fault, "DATABASE_URL": database}
    command = [sys.executable, str(DOOMED), str(importing.workspace_id), str(job.id)]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    with importing.scope():
        halfway = get_job(job.id)
    assert (halfway.status, 0 < halfway.rows_read < 61) == (JobStatus.RUNNING, True)

    done = run_job(workspace_id=importing.workspace_id, job_id=job.id, clock=lambda: importing.now)

    assert (done.status, done.rows_read, done.rows_created, done.rows_failed) == (JobStatus.DONE, 61, 60, 1)
    with importing.scope():
        lines = Counter(OrderLine.objects.values_list("order_id", flat=True))
        assert Order.objects.count() == 25
        assert sorted(lines.values()) == [2] * 15 + [3] * 10
        assert Customer.objects.count() == 5
        assert ImportRowError.objects.count() == 1


def test_what_the_database_refuses_is_one_bad_row(importing: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    importer = get_importer("customers")
    real = importer.write

    def refuse(context: Any, rows: Any) -> Any:
        outcome = real(context, rows)
        if any(("user_id", "13") in row.record.identifiers for row in rows):
            with running.connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")
        return outcome

    monkeypatch.setattr(importer, "write", refuse)
    job = importing.run("customers", "id\n" + "".join(f"{n}\n" for n in range(1, 31)))
    assert (job.status, job.rows_created, job.rows_failed) == (JobStatus.DONE, 29, 1)
    with importing.scope():
        error = ImportRowError.objects.get()
        assert (error.row_number, error.code, error.raw) == (13, "refused_by_database", ["13"])


def test_a_bug_fails_the_job_and_a_later_run_goes_on(importing: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    importer = get_importer("customers")
    job = importing.prepare("customers", "id\n1\n2\n")
    with monkeypatch.context() as patch:
        patch.setattr(importer, "write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_job(workspace_id=importing.workspace_id, job_id=job.id, clock=lambda: importing.now)
    with importing.scope():
        assert get_job(job.id).failure.startswith("ZeroDivisionError")
    done = run_job(workspace_id=importing.workspace_id, job_id=job.id, clock=lambda: importing.now)
    assert (done.status, done.rows_created, done.failure) == (JobStatus.DONE, 2, "")


def test_cancel_stops_after_the_current_rows_and_what_is_in_can_be_undone(
    importing: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(get_importer("orders"), "chunk_rows", 10)
    job = importing.prepare("orders", _text(60))

    def cancel(_: Any) -> None:
        with importing.scope():
            if not ImportJob.objects.get(id=job.id).cancel_requested:
                cancel_job(workspace_id=importing.workspace_id, job_id=job.id, now=importing.now, actor="test")

    done = run_job(workspace_id=importing.workspace_id, job_id=job.id, clock=lambda: importing.now, on_progress=cancel)
    assert (done.status, done.rows_read) == (JobStatus.CANCELED, 10)
    with pytest.raises(Conflict):
        cancel_job(workspace_id=importing.workspace_id, job_id=job.id, now=importing.now, actor="test")
    importing.undo(done)
    with importing.scope():
        assert (Order.objects.count(), Customer.objects.count()) == (0, 0)


def test_the_table_of_bad_rows_is_bounded_and_the_file_has_them_all(
    importing: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "ERRORS_IN_TABLE", 5)
    monkeypatch.setattr(get_importer("customers"), "chunk_rows", 4)
    job = importing.run("customers", "email\n" + "no\n" * 20)
    assert job.rows_failed == 20
    assert job.errors_path
    assert len(Path(job.errors_path).read_text().splitlines()) == 21
    with importing.scope():
        assert ImportRowError.objects.count() == 5


def test_a_dry_run_can_look_at_the_first_rows_only(importing: Importing) -> None:
    job = importing.run("customers", "id\n" + "".join(f"{n}\n" for n in range(1, 101)), is_dry_run=True, row_limit=7)
    assert (job.rows_read, job.rows_total) == (7, 7)
    with pytest.raises(Conflict):
        request_undo(workspace_id=importing.workspace_id, job_id=job.id, now=importing.now, actor="test")


def test_a_job_that_lost_its_process_is_found(importing: Importing) -> None:
    job = importing.prepare("customers", "id\n1\n")
    with importing.scope():
        ImportJob.objects.filter(id=job.id).update(status=JobStatus.RUNNING, progress_at=importing.now)
        assert list_stalled(before=importing.now) == []
        assert list_stalled(before=importing.now + timedelta(minutes=3)) == [job.id]


def test_a_job_is_worked_on_by_one_process_at_a_time(
    importing: Importing, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "LOCK_PATIENCE", 0.1)
    job = importing.prepare("customers", "id\n1\n")
    owner.execute("SELECT pg_advisory_lock(hashtextextended(%s, 8))", [str(job.id)])
    with pytest.raises(Conflict), alone(job.id):
        pass
    run_import(str(importing.workspace_id), str(job.id))  # the queue may deliver it twice
    with importing.scope():
        assert get_job(job.id).status == JobStatus.PENDING


def test_a_file_goes_through_the_api_from_dry_run_to_undo(importing: Importing, api: Api) -> None:
    file = SimpleUploadedFile("people.csv", b"id,email\n1,a@example.org\n2,nobody\n")
    fields = {"kind": "customers", "file": file, "dry_run": "true", "origin": "the old shop"}
    answer = api.client.post("/api/v1/imports", fields)
    assert answer.status_code == 202, answer.content
    first = answer.json()
    run_import(str(importing.workspace_id), first["id"])
    seen = api.get(f"/imports/{first['id']}")
    assert (seen["status"], seen["rows_created"], seen["rows_failed"]) == ("done", 1, 1)
    assert api.get(f"/imports/{first['id']}/errors")["items"][0]["row"] == 2

    second = api.post(f"/imports/{first['id']}/run", {}, status=202)
    run_import(str(importing.workspace_id), second["id"])
    assert api.get("/imports?limit=1")["items"][0]["rows_created"] == 1
    assert api.client.get(f"/api/v1/imports/{second['id']}/errors.csv").getvalue().startswith(b"row,code,reason,id")
    assert api.post(f"/imports/{second['id']}/undo", status=202)["status"] == "undoing"
    assert api.post(f"/imports/{second['id']}/cancel", status=409)["code"] == "conflict"
    assert {item["kind"] for item in api.get("/imports/fields")} == {"customers", "orders", "products", "merges"}


def test_uploads_that_cannot_be_used_are_refused_with_the_reason(api: Api) -> None:
    uploads = job_folder(uuid7()).parent
    before = set(uploads.glob("*"))

    def send(data: bytes, **fields: str) -> Any:
        answer = api.client.post(
            "/api/v1/imports", {"kind": "customers", "file": SimpleUploadedFile("x", data), **fields}
        )
        return answer.status_code, answer.json()["code"]

    assert send(b"") == (422, "file_not_readable")
    assert send(b"id\n1\n", kind="planets") == (404, "not_found")
    assert send(b"id\n1\n", mapping="{}") == (422, "mapping_invalid")
    assert send(b"id\n1\n", mapping="nonsense") == (422, "mapping_invalid")
    assert send(b"color\nred\n") == (422, "mapping_invalid")  # nothing says who it is
    assert send(b"id\n1\n", encoding="klingon") == (422, "file_not_readable")
    assert set(uploads.glob("*")) == before  # nothing is left behind


def test_a_neighbors_import_cannot_be_seen(importing: Importing, neighbor: Any) -> None:
    job = importing.run("customers", "id\n1\n")
    other = type(importing)(neighbor, importing.folder)
    with other.scope():
        assert list_jobs(limit=10)[0] == []
        with pytest.raises(NotFound):
            get_job(job.id)
        with pytest.raises(NotFound):
            get_job(uuid4())
