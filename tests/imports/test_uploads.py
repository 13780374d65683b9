"""Files in parts: what has arrived is kept, the rest goes on from there, and an import takes the whole."""

from __future__ import annotations

import base64
import fcntl
import gzip
import os
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from kapelle.imports.actions.storage import RESERVE
from kapelle.imports.actions.uploads import MAX_OPEN
from kapelle.imports.queries.uploads import upload_path
from kapelle.imports.tasks import sweep_uploads
from kapelle.kernel.clock import utc_now
from kapelle.privacy.tasks import run_erasure

if TYPE_CHECKING:
    from django.http import HttpResponse

    from conftest import Api
    from kapelle.accounts.contracts import WorkspaceInfo

CONTENT = b"email,city\nada@example.org,Bonn\nkay@example.org,Kiel\n"
PART = "application/offset+octet-stream"


def announce(api: Api, size: int = len(CONTENT), name: str = "people.csv", status: int = 201) -> Any:
    metadata = f"filename {base64.b64encode(name.encode()).decode()},filetype dGV4dC9jc3Y="
    return api.call("POST", "/uploads", status=status, **{"Upload-Length": str(size), "Upload-Metadata": metadata})


def send(api: Api, upload: Any, offset: int | str, part: bytes, media: str = PART) -> HttpResponse:
    path = f"/api/v1/uploads/{upload['id']}"
    return api.client.generic("PATCH", path, data=part, content_type=media, headers={"Upload-Offset": str(offset)})


def start_import(api: Api, upload: Any, **fields: str) -> HttpResponse:
    return api.client.post("/api/v1/imports", {"kind": "customers", "upload_id": upload["id"], **fields})


def test_a_file_comes_in_parts_and_an_import_takes_it(api: Api) -> None:
    upload = announce(api)
    assert (upload["file_name"], upload["bytes_received"], upload["is_complete"]) == ("people.csv", 0, False)
    first = send(api, upload, 0, CONTENT[:20])
    assert (first.status_code, first["Upload-Offset"], first["Tus-Resumable"]) == (204, "20", "1.0.0")

    head = api.client.head(f"/api/v1/uploads/{upload['id']}")
    assert (head["Upload-Offset"], head["Upload-Length"], head["Cache-Control"]) == (
        "20",
        str(len(CONTENT)),
        "no-store",
    )
    early = start_import(api, upload)
    assert (early.status_code, early.json()["code"], early.json()["bytes_received"]) == (409, "upload_incomplete", 20)
    assert "Upload-Offset: 20" in early.json()["title"]

    assert send(api, upload, 20, CONTENT[20:]).status_code == 204
    job = start_import(api, upload, dry_run="true")
    assert (job.status_code, job.json()["file_name"], job.json()["header"]) == (202, "people.csv", ["email", "city"])
    assert not upload_path(UUID(upload["id"])).exists()
    api.get(f"/uploads/{upload['id']}", status=404)


def test_a_part_at_the_wrong_place_is_refused_with_the_right_one(api: Api) -> None:
    upload = announce(api)
    send(api, upload, 0, CONTENT[:20])
    again = send(api, upload, 0, CONTENT[:20])
    assert (again.status_code, again.json()["code"], again.json()["bytes_received"]) == (409, "upload_offset_wrong", 20)
    assert api.get(f"/uploads/{upload['id']}")["bytes_received"] == 20
    assert send(api, upload, 20, CONTENT[20:]).status_code == 204
    assert upload_path(UUID(upload["id"])).read_bytes() == CONTENT


def test_more_than_was_announced_is_refused(api: Api) -> None:
    upload = announce(api, size=10)
    answer = send(api, upload, 0, CONTENT)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert api.get(f"/uploads/{upload['id']}")["bytes_received"] <= 10


def test_an_import_that_cannot_read_the_file_leaves_it_there(api: Api) -> None:
    upload = announce(api)
    send(api, upload, 0, CONTENT)
    refused = start_import(api, upload, mapping='{"columns": {"mail": "email"}}')
    assert (refused.status_code, refused.json()["code"]) == (422, "mapping_invalid")
    assert api.get(f"/uploads/{upload['id']}")["is_complete"]
    assert start_import(api, upload).status_code == 202


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 422, "invalid"),
        ({"Upload-Length": "-1"}, 422, "invalid"),
        ({"Upload-Length": "0"}, 422, "invalid"),
        ({"Upload-Length": "9" * 30}, 422, "invalid"),
        ({"Upload-Length": "5000000000"}, 413, "too_large"),
        ({"Upload-Length": "5", "Upload-Metadata": "filename ???"}, 422, "invalid"),
    ],
)
def test_what_cannot_be_an_upload_is_refused(api: Api, headers: dict[str, str], status: int, code: str) -> None:
    assert api.call("POST", "/uploads", status=status, **headers)["code"] == code


def test_the_cap_is_a_setting(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAPELLE_MAX_UPLOAD_MB", "1")
    answer = announce(api, size=2**20 + 1, status=413)
    assert "KAPELLE_MAX_UPLOAD_MB" in answer["title"]
    options = api.client.options("/api/v1/uploads")
    assert (options["Tus-Max-Size"], options["Tus-Version"]) == (str(2**20), "1.0.0")


def test_the_disk_is_never_filled(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = announce(api)
    usage = shutil.disk_usage("/")
    nearly_full = type(usage)(usage.total, usage.used, RESERVE + 5)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: nearly_full)
    assert announce(api, status=507)["code"] == "disk_full"
    answer = send(api, upload, 0, CONTENT)
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    monkeypatch.undo()
    assert send(api, upload, 0, CONTENT).status_code == 204


def test_two_requests_never_write_at_once(api: Api) -> None:
    upload = announce(api)
    with upload_path(UUID(upload["id"])).open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        busy = send(api, upload, 0, CONTENT)
    assert (busy.status_code, busy.json()["code"]) == (423, "upload_busy")


def test_forgotten_parts_are_swept(api: Api, workspace: WorkspaceInfo) -> None:
    old, young = announce(api), announce(api)
    send(api, old, 0, CONTENT[:20])
    yesterday = (utc_now() - timedelta(hours=25)).timestamp()
    os.utime(upload_path(UUID(old["id"])), (yesterday, yesterday))
    sweep_uploads(utc_now() + timedelta(minutes=1))
    api.get(f"/uploads/{old['id']}", status=404)
    assert not upload_path(UUID(old["id"])).exists()
    assert [item["id"] for item in api.get("/uploads")["items"]] == [young["id"]]


def test_uploads_can_be_deleted_and_are_bounded(api: Api) -> None:
    uploads = [announce(api) for _ in range(MAX_OPEN)]
    assert announce(api, status=409)["code"] == "conflict"
    api.call("DELETE", f"/uploads/{uploads[0]['id']}", status=204)
    announce(api)


def test_a_part_is_sent_as_a_part(api: Api) -> None:
    upload = announce(api)
    assert send(api, upload, 0, CONTENT, media="text/csv").json()["code"] == "unsupported_media_type"
    assert send(api, upload, "", CONTENT).json()["code"] == "invalid"


def test_an_erased_person_is_in_no_upload(api: Api, workspace: WorkspaceInfo) -> None:
    customer = api.call("POST", "/customers", {"email": "ada@example.org"}, status=201)
    plain, other, packed = announce(api), announce(api, size=5), announce(api)
    send(api, plain, 0, CONTENT)
    send(api, other, 0, b"email")
    send(api, packed, 0, gzip.compress(CONTENT)[:20])
    erasure = api.call("POST", f"/customers/{customer['id']}/erase", status=202)
    run_erasure(str(workspace.id), erasure["id"])
    api.get(f"/uploads/{plain['id']}", status=404)
    api.get(f"/uploads/{packed['id']}", status=404)
    api.get(f"/uploads/{other['id']}")
