"""JSON Lines as files of imports: every importer, packed or not; what is damaged stays with its own line."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from kapelle.customers.models import Customer
from kapelle.imports.actions.jobs import keep_upload
from kapelle.imports.contracts import JobStatus, MappingInvalid, NotReadable
from kapelle.imports.queries import errors_path, job_folder, list_errors
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from imports.conftest import Importing


def lines(*records: Any) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def customer(importing: Importing, email: str) -> Customer:
    with importing.scope():
        return Customer.objects.get(email=email)


def test_values_keep_their_types_and_names_may_differ_from_line_to_line(importing: Importing) -> None:
    job = importing.run(
        "customers",
        lines(
            {"email": "ada@example.org", "firstName": "Ада", "attributes": {"zip": "04103", "points": 3}},
            {"email": "kay@example.org", "points": 1, "Last name": "Kay"},
            {
                "email": "may@example.org",
                "identifiers": {"loyalty_card": "A-1"},
                "Любимый цвет": "red",
                "vip": False,
                "tags": ["a", "b"],
            },
            {"email": "noname@example.org", "attributes": {"number_as_text": "15", "seen": "2026-01-02"}, "gone": None},
        ),
    )
    with importing.scope():
        assert list_errors(job.id, limit=9)[0] == []
    assert (job.status, job.rows_created, job.rows_failed, job.encoding) == (JobStatus.DONE, 4, 0, "json")
    ada = customer(importing, "ada@example.org")
    assert (ada.first_name, ada.attributes) == ("Ада", {"zip": "04103", "points": 3})
    assert customer(importing, "kay@example.org").attributes == {"points_2": 1}
    may = customer(importing, "may@example.org")
    assert may.attributes == {"любимый_цвет": "red", "vip": False, "tags": ["a", "b"]}
    assert customer(importing, "noname@example.org").attributes == {"number_as_text": "15", "seen": "2026-01-02"}


def test_a_name_that_occurs_once_at_the_end_is_not_lost(importing: Importing) -> None:
    records = [{"email": f"{number}@example.org"} for number in range(3000)]
    job = importing.run("customers", lines(*records, {"email": "last@example.org", "rare": "here"}))
    assert job.rows_created == 3001
    assert customer(importing, "last@example.org").attributes == {"rare": "here"}


def test_bad_lines_are_told_by_number_and_the_others_are_in(importing: Importing) -> None:
    body = (
        b'\xef\xbb\xbf{"email": "a@example.org"}\r\n\n{"email": }\n["a"]\n{"email": "b@example.org", "city": "\xff"}\n'
        b'{"email": "c@example.org", "city": "a\\u0000b"}\n{"email": "' + b"x" * (1 << 20) + b'"}\n'
        b'{"email": "d@example.org"}'
    )
    job = importing.run("customers", body)
    with importing.scope():
        errors, _ = list_errors(job.id, limit=100)
    assert [(error["row"], error["code"]) for error in errors] == [
        (2, "broken_row"),
        (3, "not_an_object"),
        (4, "broken_row"),
        (5, "nul_byte"),
        (6, "broken_row"),
    ]
    assert (job.rows_created, job.rows_read) == (2, 7)
    assert '{""email"": }' in errors_path(job.id).read_text("utf-8-sig")


def test_lines_may_be_packed(importing: Importing) -> None:
    content = lines({"email": "ada@example.org"}, {"email": "kay@example.org"}).encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("people.jsonl", content)
    assert importing.run("customers", gzip.compress(content)).rows_created == 2
    assert importing.run("customers", archive.getvalue()).rows_unchanged == 2


def test_orders_and_products_come_as_lines_too(importing: Importing) -> None:
    orders = importing.run(
        "orders",
        lines(
            {
                "order": {"external_id": "1", "ordered_at": "2026-11-01T10:00:00Z", "attributes": {"gift": True}},
                "customer": {"email": "ada@example.org"},
                "line": {"product_external_id": "lamp", "quantity": 2, "unit_price": 10.10},
            },
            {
                "order": {"external_id": "1", "ordered_at": "2026-11-01T10:00:00Z"},
                "line": {"product_external_id": "sofa", "quantity": 1, "unit_price": 300},
            },
        ),
    )
    assert (orders.entities["orders_created"], orders.rows_failed) == (1, 0)
    products = importing.run("products", lines({"external_id": "lamp", "price": 9.99, "attributes": {"fits": ["E27"]}}))
    assert products.entities["products_updated"] == 1


def test_an_import_goes_on_after_a_dry_run_and_can_be_undone(importing: Importing) -> None:
    text = lines({"email": "ada@example.org", "city": "Bonn"})
    assert importing.run("customers", text, is_dry_run=True).rows_created == 1
    job = importing.run("customers", text)
    assert importing.undo(job).report["undone"]["customers_removed"] == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"email": "a@example.org"}]', "one JSON array"),
        ('[\n  {"email": "a@example.org"}\n]', "one JSON array"),
        ('{\n  "email": "a@example.org"\n}', "several lines"),
        ("{}\n{}\n", "No line"),
    ],
)
def test_other_json_is_refused_with_a_way_out(importing: Importing, text: str, words: str) -> None:
    with pytest.raises(NotReadable, match=words):
        importing.prepare("customers", text)
    with pytest.raises(NotReadable, match="must be UTF-8"):
        importing.prepare("customers", lines({"email": "a@example.org"}).encode("utf-16"))


def test_a_decimal_comma_is_no_json(importing: Importing) -> None:
    with pytest.raises(MappingInvalid, match="point"):
        importing.prepare(
            "products", lines({"external_id": "1"}), {"columns": {"external_id": "external_id"}, "decimal": ","}
        )


def test_a_packed_upload_is_not_kept_beside_what_it_held(importing: Importing) -> None:
    job_id = uuid7()
    path = keep_upload(io.BytesIO(gzip.compress(lines({"email": "ada@example.org"}).encode())), job_id=job_id)
    importing.prepare("customers", path, job_id=job_id)
    assert [path.name for path in job_folder(job_id).iterdir()] == ["unpacked.csv"]
