"""Exports: what is in the file, safe cells, one snapshot, filters, cancel, kill and start again, the way back in."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow.parquet as pq
import pytest
from django.test import Client

from conftest import NOW, Api, make_workspace
from imports.conftest import Importing
from kapelle.customers.models import Customer
from kapelle.imports.actions import export_running
from kapelle.imports.actions.export_running import run_export
from kapelle.imports.actions.exporting import MAX_OPEN, cancel_export, create_export
from kapelle.imports.contracts import ExportStatus
from kapelle.imports.models import ExportJob
from kapelle.imports.queries import export_path, get_export
from kapelle.imports.tasks import expire_exports, requeue_stalled
from kapelle.kernel.errors import Conflict, Invalid
from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.contracts import SuppressionReason
from kapelle.privacy.models import SuppressedAddress

if TYPE_CHECKING:
    from pathlib import Path

    from kapelle.accounts.contracts import WorkspaceInfo
    from kapelle.imports.contracts import ExportInfo

HEADER = (
    "user_id,email,phone,first_name,city,birth_date,gender,attributes.size,attributes.points,identifier.loyalty_card"
)
PEOPLE = f'''{HEADER}
1,ada@example.org,+442071838750,Ada,London,1990-12-10,f,M,12.5,77
2,boris@example.org,,"Борис ""Б""","Нижний
Новгород",,m,=1+1,-3,
3,,+4930901820,@sum,"a,b",,,,,78
'''


def export(workspace_id: UUID, kind: str = "customers", **options: Any) -> ExportInfo:
    job = create_export(workspace_id=workspace_id, kind=kind, now=NOW, actor="test", **options)
    return run_export(workspace_id=workspace_id, export_id=job.id, clock=lambda: NOW)


def rows(info: ExportInfo) -> list[dict[str, str]]:
    text = export_path(info).read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=info.delimiter))


@pytest.fixture
def people(importing: Importing) -> UUID:
    assert importing.run("customers", PEOPLE).rows_failed == 0
    return importing.workspace_id


def test_a_csv_file_has_every_customer_with_identifiers_and_custom_fields(people: UUID) -> None:
    done = export(people)
    assert (done.status, done.rows_written, done.rows_total, done.share_written) == ("done", 3, 3, 1.0)
    found = {row["user_id"]: row for row in rows(done)}
    assert found["1"]["attributes.points"] == "12.5"
    assert found["1"]["identifier.loyalty_card"] == "77"
    assert found["1"]["birth_date"] == "1990-12-10"
    assert found["2"]["first_name"] == 'Борис "Б"'
    assert found["2"]["city"] == "Нижний\nНовгород"
    assert found["3"]["phone"] == "+4930901820"
    assert done.bytes_written == export_path(done).stat().st_size


def test_cells_that_a_spreadsheet_would_run_are_guarded_unless_asked_otherwise(people: UUID) -> None:
    guarded = {row["user_id"]: row for row in rows(export(people))}
    assert guarded["2"]["attributes.size"] == "'=1+1"
    assert guarded["3"]["first_name"] == "'@sum"
    assert guarded["2"]["attributes.points"] == "-3.0"
    raw = {row["user_id"]: row for row in rows(export(people, guards_formulas=False))}
    assert raw["2"]["attributes.size"] == "=1+1"


def test_columns_delimiter_and_the_mark_of_utf8_can_be_chosen(people: UUID) -> None:
    done = export(people, columns=["city", "user_id"], delimiter=";", has_bom=True)
    raw = export_path(done).read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfcity;user_id\r\n")
    assert raw.count(b"\r\n") == 4
    with pytest.raises(Invalid, match="columns"):
        export(people, columns=["city", "secret"])
    with pytest.raises(Invalid, match="delimiter"):
        export(people, delimiter='"')


def test_a_parquet_file_has_the_same_rows_with_types(people: UUID) -> None:
    done = export(people, format="parquet")
    table = pq.read_table(export_path(done)).sort_by("user_id").to_pydict()
    assert table["user_id"] == ["1", "2", "3"]
    assert table["attributes.points"] == [12.5, -3.0, None]
    assert table["birth_date"][0].isoformat() == "1990-12-10"
    assert table["attributes.size"] == ["M", "=1+1", None]
    assert str(table["kapelle_created_at"][0].tzinfo) == "UTC"


@pytest.mark.parametrize("form", ["csv"])
def test_what_was_exported_comes_into_an_empty_workspace_as_the_same_people(
    form: str, people: UUID, tmp_path: Path
) -> None:
    first = export(people, format=form)
    other = Importing(make_workspace(NOW), tmp_path)
    came = other.run("customers", export_path(first))
    assert (came.rows_failed, came.rows_created) == (0, 3)

    def known(info: ExportInfo) -> list[dict[str, str]]:
        listed = [{name: cell for name, cell in row.items() if not name.startswith("kapelle_")} for row in rows(info)]
        return sorted(listed, key=lambda row: row["user_id"])

    assert known(export(other.workspace_id)) == known(first)
    assert other.run("customers", export_path(first)).rows_unchanged == 3


def test_orders_go_out_line_by_line_and_come_back_as_the_same_orders(importing: Importing, tmp_path: Path) -> None:
    text = (
        "order.external_id,order.ordered_at,line.product_external_id,line.quantity,line.unit_price,customer.user_id\n"
        "A1,2026-01-02 10:00,p1,2,9.50,1\nA1,2026-01-02 10:00,p2,1,0.99,1\nA2,2026-02-03 11:00,p1,1,9.50,\n"
    )
    assert importing.run("orders", text).rows_failed == 0
    first = export(importing.workspace_id, "orders")
    assert sorted(row["line.total"] for row in rows(first)) == ["0.99", "19", "9.5"]
    assert {row["customer.user_id"] for row in rows(first) if row["order.external_id"] == "A1"} == {"1"}
    other = Importing(make_workspace(NOW), tmp_path)
    assert other.run("orders", export_path(first)).rows_failed == 0

    def known(info: ExportInfo) -> list[list[str]]:
        return sorted([cell for name, cell in row.items() if not name.startswith("kapelle_")] for row in rows(info))

    assert known(export(other.workspace_id, "orders")) == known(first)
    late = export(importing.workspace_id, "orders", since=NOW.replace(month=2, day=1))
    assert {row["order.external_id"] for row in rows(late)} == {"A2"}
    events = rows(export(importing.workspace_id, "events"))
    assert [(row["name"], row["customer_user_id"]) for row in events] == [("Order Completed", "1")]


def test_a_neighbor_is_never_in_the_file(people: UUID, neighbor: WorkspaceInfo, tmp_path: Path) -> None:
    other = Importing(neighbor, tmp_path)
    other.run("customers", "email\ntheirs@example.org\n")
    assert len(rows(export(people))) == 3
    assert [row["email"] for row in rows(export(neighbor.id))] == ["theirs@example.org"]


def test_the_file_shows_one_moment_though_rows_change_while_it_is_written(
    people: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_running, "_BLOCK", 1)
    job = create_export(workspace_id=people, kind="customers", now=NOW, actor="test", columns=["city"])

    def change(info: ExportInfo) -> None:
        with workspace_scope(people):
            Customer.objects.update(city="elsewhere")
            Customer.objects.filter(external_id="3").update(merged_into=UUID(int=1))

    done = run_export(workspace_id=people, export_id=job.id, clock=lambda: NOW, on_progress=change)
    assert (done.rows_written, done.rows_total) == (3, 3)
    assert "elsewhere" not in export_path(done).read_text()


def test_a_canceled_export_leaves_no_file(people: UUID) -> None:
    job = create_export(workspace_id=people, kind="customers", now=NOW, actor="test")
    done = run_export(workspace_id=people, export_id=job.id, clock=lambda: NOW, should_stop=lambda: True)
    assert done.status is ExportStatus.CANCELED
    assert not list(export_path(done).parent.glob(f"{job.id}*"))
    with pytest.raises(Conflict):
        cancel_export(workspace_id=people, export_id=job.id, now=NOW, actor="test")


def test_an_export_whose_process_died_starts_again_from_its_first_row(people: UUID) -> None:
    job = create_export(workspace_id=people, kind="customers", now=NOW, actor="test")
    with workspace_scope(people):
        ExportJob.objects.filter(id=job.id).update(status="running", rows_written=2, progress_at=NOW)
    export_path(job).parent.mkdir(exist_ok=True)
    export_path(job).with_suffix(".csv.part").write_text("half a fi")
    requeue_stalled(NOW + timedelta(minutes=5))
    done = run_export(workspace_id=people, export_id=job.id, clock=lambda: NOW)
    assert (done.status, done.rows_written, len(rows(done))) == ("done", 3, 3)
    assert run_export(workspace_id=people, export_id=job.id, clock=lambda: NOW).finished_at == done.finished_at


def test_a_file_is_removed_after_a_week(people: UUID) -> None:
    done = export(people)
    expire_exports(NOW + timedelta(days=6))
    assert export_path(done).is_file()
    expire_exports(NOW + timedelta(days=7))
    assert not export_path(done).exists()
    with workspace_scope(people):
        assert get_export(done.id).status is ExportStatus.EXPIRED


def test_a_workspace_has_a_bounded_number_of_open_exports(people: UUID) -> None:
    for _ in range(MAX_OPEN):
        create_export(workspace_id=people, kind="products", now=NOW, actor="test")
    with pytest.raises(Conflict):
        create_export(workspace_id=people, kind="products", now=NOW, actor="test")


def test_the_api_makes_serves_and_links_a_file(people: UUID, api: Api) -> None:
    made = api.call("POST", "/exports", {"kind": "customers", "columns": ["user_id", "city"]}, status=202)
    assert made["status"] == "pending"
    assert api.call("GET", f"/exports/{made['id']}/file", status=409)["code"] == "conflict"
    run_export(workspace_id=people, export_id=UUID(made["id"]), clock=lambda: NOW)
    whole = export_path(export_row(people, made["id"])).read_bytes()

    response = api.client.get(f"/api/v1/exports/{made['id']}/file")
    assert b"".join(response.streaming_content) == whole
    assert response["Content-Disposition"].startswith('attachment; filename="customers-')
    part = api.client.get(f"/api/v1/exports/{made['id']}/file", headers={"Range": "bytes=5-9"})
    assert (part.status_code, b"".join(part.streaming_content)) == (206, whole[5:10])
    assert part["Content-Range"] == f"bytes 5-9/{len(whole)}"
    for wanted, got in (("bytes=-4", whole[-4:]), ("bytes=5-", whole[5:]), ("bytes=0-99999", whole)):
        part = api.client.get(f"/api/v1/exports/{made['id']}/file", headers={"Range": wanted})
        assert b"".join(part.streaming_content) == got
    for wanted in ("bytes=99999-", "bytes=-0", "bytes=9-5"):
        assert api.client.get(f"/api/v1/exports/{made['id']}/file", headers={"Range": wanted}).status_code == 416
    stale = api.client.get(f"/api/v1/exports/{made['id']}/file", headers={"Range": "bytes=5-9", "If-Range": '"old"'})
    assert stale.status_code == 200


def export_row(workspace_id: UUID, export_id: str) -> ExportInfo:
    with workspace_scope(workspace_id):
        return get_export(UUID(export_id))


def test_a_signed_link_opens_one_file_for_a_while(people: UUID, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    done = export(people)
    with workspace_scope(people):
        ExportJob.objects.filter(id=done.id).update(expires_at=NOW + timedelta(days=3650))
    token = api.call("POST", f"/exports/{done.id}/link")["url"].rpartition("/")[2]
    page = Client().get(f"/d/{token}")
    assert b"".join(page.streaming_content) == export_path(done).read_bytes()
    for broken in (token[:-1], f"{token[:-2]}AA", "x", token.replace(":", "")):
        assert Client().get(f"/d/{broken}").status_code == 404
    monkeypatch.setattr("kapelle.imports.api.exporting.utc_now", lambda: NOW + timedelta(days=3000))
    assert Client().get(f"/d/{token}").status_code == 404
    assert Client().post(f"/d/{token}").status_code == 405


def test_the_api_lists_kinds_with_their_columns_and_refuses_what_makes_no_sense(api: Api, people: UUID) -> None:
    kinds = {kind["kind"]: kind for kind in api.get("/exports/kinds")}
    assert kinds.keys() >= {"customers", "events", "orders", "products"}
    assert {"name": "attributes.points", "type": "number"} in kinds["customers"]["columns"]
    for body in (
        {"kind": "products", "since": "2026-01-01T00:00:00Z"},
        {"kind": "products", "segment_id": str(UUID(int=1))},
        {"kind": "customers", "format": "xls"},
        {"kind": "customers", "delimiter": "\n"},
        {"kind": "customers", "columns": []},
    ):
        api.call("POST", "/exports", body, status=422)
    api.call("POST", "/exports", {"kind": "secrets"}, status=404)
    api.call("POST", "/exports", {"kind": "customers", "segment_id": str(UUID(int=1))}, status=404)


def test_the_ledger_of_consents_is_exported_with_its_proof(api: Api, workspace: WorkspaceInfo) -> None:
    ada = api.call("POST", "/customers", {"email": "ada@example.org", "external_id": "1"}, status=201)
    said = {"status": "granted", "customer_id": ada["id"], "channel": "email", "text_version": "footer-2"}
    api.post("/consents", {"consents": [said]})
    api.post("/consents", {"consents": [{**said, "status": "denied"}]})

    granted, denied = sorted(rows(export(workspace.id, "consents")), key=lambda row: row["recorded_at"])
    assert (granted["status"], denied["status"]) == ("granted", "denied")
    assert (granted["channel"], granted["purpose"], granted["customer_email"]) == (
        "email",
        "marketing",
        "ada@example.org",
    )
    assert '"footer-2"' in granted["proof"]
    assert granted["happened_at"]
    (point,) = rows(export(workspace.id, "contact_points"))
    assert (point["channel"], point["address"], point["customer_user_id"]) == ("email", "ada@example.org", "1")
    assert (point["consent_status"], point["suppressed_for"], point["confirmed_at"]) == ("denied", "unsubscribed", "")


def test_contact_points_tell_why_nobody_may_write_to_them(importing: Importing) -> None:
    importing.run("customers", "email,consent.email\nada@example.org,yes\nkay@example.org,\n")
    with importing.scope():
        SuppressedAddress.objects.create(
            channel="email", address="kay@example.org", reason=SuppressionReason.HARD_BOUNCE, source="test", at=NOW
        )
    points = {row["address"]: row for row in rows(export(importing.workspace_id, "contact_points"))}
    assert (points["ada@example.org"]["consent_status"], points["ada@example.org"]["suppressed_for"]) == ("granted", "")
    assert (points["kay@example.org"]["consent_status"], points["kay@example.org"]["suppressed_for"]) == (
        "",
        SuppressionReason.HARD_BOUNCE.value,
    )
