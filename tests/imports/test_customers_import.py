"""Files of customers: created, found by any identifier, changed field by field, and taken back to the letter."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kapelle.customers.actions.editing import Changes, update_customer
from kapelle.customers.models import AttributeDefinition, Customer, Identifier, MergeEntry
from kapelle.imports.contracts import JobStatus

if TYPE_CHECKING:
    from imports.conftest import Importing

HEADER = "id,email,phone,first name,city,points\n"


def _dump(importing: Importing) -> dict[str, Any]:
    """Customers and identifiers without what every write touches."""
    with importing.scope():
        people = list(Customer.objects.order_by("id").values())
        names = list(Identifier.objects.order_by("id").values())
    for person in people:
        del person["batch_id"], person["updated_at"]
    for name in names:
        del name["batch_id"]
    return {"customers": people, "identifiers": names}


def _person(importing: Importing, email: str) -> Customer:
    with importing.scope():
        return Customer.objects.get(email=email, merged_into=None)


def test_rows_become_customers_with_identifiers_types_and_provenance(importing: Importing) -> None:
    job = importing.run("customers", HEADER + "7,Ada@Example.org,+44 20 7946 0958,Ada,London,12\n")
    assert (job.status, job.rows_created, job.rows_failed) == (JobStatus.DONE, 1, 0)
    ada = _person(importing, "ada@example.org")
    assert (ada.external_id, ada.phone, ada.first_name, ada.city) == ("7", "+442079460958", "Ada", "London")
    assert ada.attributes == {"points": 12}
    assert ada.is_identified
    assert ada.provenance["city"] == [f"import:{job.id}", "2026-11-22T12:00:00.000001+00:00"]
    with importing.scope():
        assert set(Identifier.objects.values_list("kind", "value")) == {
            ("user_id", "7"),
            ("email", "ada@example.org"),
            ("phone", "+442079460958"),
        }
        assert AttributeDefinition.objects.get().type == "number"


def test_the_same_file_again_changes_nothing(importing: Importing) -> None:
    text = HEADER + "".join(f"{n},u{n}@example.org,,N{n},Ufa,{n}\n" for n in range(1, 51))
    importing.run("customers", text)
    before = _dump(importing)
    job = importing.run("customers", text)
    assert (job.rows_unchanged, job.rows_created, job.rows_updated) == (50, 0, 0)
    assert _dump(importing) == before


def test_any_identifier_finds_the_customer_and_empty_cells_erase_nothing(importing: Importing) -> None:
    importing.run("customers", HEADER + "7,ada@example.org,+442079460958,Ada,London,12\n")
    job = importing.run("customers", "phone,city,email\n+442079460958,Paris,\n")
    assert (job.rows_updated, job.rows_created) == (1, 0)
    ada = _person(importing, "ada@example.org")
    assert (ada.city, ada.first_name, ada.external_id) == ("Paris", "Ada", "7")


def test_rows_of_one_file_that_name_one_person_make_one_customer(importing: Importing) -> None:
    job = importing.run(
        "customers", "id,email,phone,city\n1,a@example.org,,Ufa\n1,a@example.org,,Omsk\n,a@example.org,+442079460958,\n"
    )
    assert (job.rows_created, job.rows_updated, job.rows_failed) == (1, 2, 0)
    with importing.scope():
        assert Customer.objects.filter(merged_into=None).count() == 1
    assert _person(importing, "a@example.org").city == "Omsk"
    assert _person(importing, "a@example.org").phone == "+442079460958"


def test_a_row_that_names_two_customers_merges_them_by_the_rules_of_identity(importing: Importing) -> None:
    importing.run("customers", "id,city\n1,Ufa\n")
    importing.run("customers", "email,first name\na@example.org,Ada\n")
    importing.run("customers", "id,email\n1,a@example.org\n")
    with importing.scope():
        person = Customer.objects.get(merged_into=None)
        assert (person.external_id, person.email, person.city, person.first_name) == (
            "1",
            "a@example.org",
            "Ufa",
            "Ada",
        )
        assert MergeEntry.objects.count() == 1


def test_bad_rows_stay_out_with_their_reason_and_the_others_go_in(importing: Importing) -> None:
    rows = "1,a@example.org,,,,\n,,,,,\n2,not-an-address,,,,\n3,c@example.org,12345,,,\n"
    rows += "4,d@example.org,,,,many\n5,e@example.org,,,,5\n"
    mapping = {"columns": {"id": "user_id", "email": "email", "phone": "phone", "points": "attributes.points"}}
    job = importing.run("customers", HEADER + rows, {**mapping, "attribute_types": {"points": "number"}})
    assert (job.rows_read, job.rows_created, job.rows_failed) == (6, 2, 4)
    assert job.errors_path is not None
    with open(job.errors_path, encoding="utf-8") as file:  # noqa: PTH123
        lines = file.read().splitlines()
    assert lines[0].startswith("row,code,reason,id,email")
    assert [line.split(",")[:2] for line in lines[1:]] == [
        ["2", "no_identifier"],
        ["3", "invalid_identifier"],
        ["4", "invalid_identifier"],
        ["5", "not_a_number"],
    ]


def test_a_dry_run_says_what_would_happen_and_changes_nothing(importing: Importing) -> None:
    importing.run("customers", HEADER + "1,a@example.org,,Ada,Ufa,\n2,b@example.org,,Bob,Omsk,\n")
    before = _dump(importing)
    importing.now += timedelta(days=1)
    job = importing.run(
        "customers", HEADER + "1,a@example.org,,Ada,Paris,\n2,b@example.org,,Bob,Omsk,\n3,c@example.org,,,,\n4,x,,,,\n",
        is_dry_run=True,
    )  # fmt: skip
    assert (job.rows_created, job.rows_updated, job.rows_unchanged, job.rows_failed) == (1, 1, 1, 1)
    assert job.report["differences"] == [
        {"row": 1, "what": "customer user_id:1", "field": "city", "before": "Ufa", "after": "Paris"}
    ]
    assert _dump(importing) == before


def test_undo_is_the_exact_inverse(importing: Importing) -> None:
    importing.run("customers", HEADER + "1,a@example.org,,Ada,Ufa,1\n2,b@example.org,,Bob,Omsk,2\n")
    before = _dump(importing)
    importing.now += timedelta(days=1)
    job = importing.run(
        "customers", HEADER + "1,a@example.org,+442079460958,Ada,Paris,5\n2,b@example.org,,,,\n9,z@example.org,,Zoe,,\n"
    )
    done = importing.undo(job)
    assert (done.status, done.report["kept"]) == (JobStatus.UNDONE, [])
    assert _dump(importing) == before


def test_two_imports_can_be_undone_one_after_the_other(importing: Importing) -> None:
    first = importing.run("customers", HEADER + "1,a@example.org,,Ada,Ufa,\n")
    importing.now += timedelta(days=1)
    second = importing.run("customers", HEADER + "1,a@example.org,,Ada,Paris,\n")
    importing.undo(second)
    assert importing.undo(first).report["kept"] == []
    assert _dump(importing) == {"customers": [], "identifiers": []}


def test_undo_leaves_what_was_changed_since_and_says_so(importing: Importing) -> None:
    job = importing.run("customers", HEADER + "1,a@example.org,,Ada,Ufa,\n2,b@example.org,,Bob,Omsk,\n")
    ada = _person(importing, "a@example.org")
    update_customer(
        workspace_id=importing.workspace_id,
        customer_id=ada.id,
        changes=Changes(fields={"city": "Rome"}),
        source="api:x",
        now=importing.now + timedelta(days=1),
    )
    done = importing.undo(job)
    assert done.report["kept"] == [{"table": "customers", "id": str(ada.id), "reason": "changed since the import"}]
    with importing.scope():
        assert list(Customer.objects.values_list("city", flat=True)) == ["Rome"]


def test_an_older_fact_never_overwrites_a_newer_one(importing: Importing) -> None:
    importing.run("customers", HEADER + "1,a@example.org,,Ada,Paris,\n")
    importing.now -= timedelta(days=10)
    job = importing.run("customers", HEADER + "1,a@example.org,,Ada,Ufa,\n")
    assert job.rows_unchanged == 1
    assert _person(importing, "a@example.org").city == "Paris"


def test_a_field_that_exists_keeps_its_type(importing: Importing) -> None:
    importing.run("customers", HEADER + "1,a@example.org,,,,5\n")
    job = importing.run("customers", HEADER + "2,b@example.org,,,,gold\n")
    assert (job.rows_failed, job.rows_created) == (1, 0)


def test_the_neighbor_sees_nothing_of_it(importing: Importing, neighbor: Any) -> None:
    importing.run("customers", HEADER + "1,a@example.org,,Ada,Ufa,\n")
    other = type(importing)(neighbor, importing.folder)
    assert _dump(other) == {"customers": [], "identifiers": []}
    job = other.run("customers", HEADER + "1,a@example.org,,Ada,Ufa,\n")
    assert job.rows_created == 1
