"""Consent columns of files of customers: into the ledger with proof, never against a refusal, and taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from imports.conftest import NOW
from kapelle.accounts.contracts import LawfulBasis
from kapelle.customers.models import Customer
from kapelle.imports.contracts import MappingInvalid
from kapelle.privacy.actions import erase_next, record_consents, request_erasure
from kapelle.privacy.contracts import Scope, Statement, Status
from kapelle.privacy.models import ConsentEntry, ConsentStateRow, SuppressedAddress
from kapelle.privacy.queries import find_suppressed

if TYPE_CHECKING:
    from imports.conftest import Importing
    from kapelle.imports.contracts import JobInfo

EMAIL = Scope(channel="email")
BEFORE = NOW - timedelta(days=30)


def _states(importing: Importing) -> dict[tuple[str, str, str], str]:
    with importing.scope():
        rows = ConsentStateRow.objects.values_list("address", "channel", "topic", "status")
        return {(address, channel, topic): status for address, channel, topic, status in rows}


def _say(importing: Importing, status: Status, scope: Scope = EMAIL, days: int = -30) -> None:
    one = Statement(status, NOW + timedelta(days=days), "page", scope, None, "ann@example.test")
    record_consents(workspace_id=importing.workspace_id, statements=[one], now=NOW)


def _run(importing: Importing, text: str, **options: Any) -> JobInfo:
    job = importing.run("customers", text, **options)
    assert job.failure == ""
    return job


def test_cells_become_lines_of_the_ledger_with_the_import_as_source_and_its_grounds_as_proof(
    importing: Importing,
) -> None:
    text = (
        "email,phone,consent.email,consent.sms,consent.email.news\n"
        "Ann@example.test,+442079460958,Subscribed,no,1\n"
        "bob@example.test,,unsubscribed,,0\n"
        "eve@example.test,,,,\n"
        "odd@example.test,,perhaps,,\n"
    )
    job = _run(importing, text, lawful_basis=LawfulBasis.CONSENT, origin="the form in our shops")
    assert (job.rows_created, job.rows_failed, job.entities["consents_changed"]) == (3, 1, 5)
    assert _states(importing) == {
        ("ann@example.test", "email", ""): "granted",
        ("ann@example.test", "email", "news"): "granted",
        ("+442079460958", "sms", ""): "denied",
        ("bob@example.test", "email", ""): "withdrawn",
        ("bob@example.test", "email", "news"): "denied",
    }
    with importing.scope():
        entries = list(ConsentEntry.objects.all())
        assert {entry.source for entry in entries} == {f"import:{job.id}"}
        assert all(entry.proof == {"lawful_basis": "consent", "origin": "the form in our shops"} for entry in entries)
        assert all(entry.origin_id for entry in entries)
        assert set(SuppressedAddress.objects.values_list("address", flat=True)) == {"+442079460958", "bob@example.test"}


def test_the_same_file_again_says_nothing_new(importing: Importing) -> None:
    text = "email,consent.email\nann@example.test,yes\nbob@example.test,no\n"
    _run(importing, text)
    importing.now += timedelta(hours=1)
    job = _run(importing, text)
    assert (job.rows_unchanged, job.rows_updated) == (2, 0)
    with importing.scope():
        assert ConsentEntry.objects.count() == 2


def test_an_old_list_subscribes_nobody_who_has_left_it(importing: Importing) -> None:
    _say(importing, Status.WITHDRAWN)
    job = _run(importing, "email,consent.email,consent.email.news\nann@example.test,yes,yes\n")
    assert job.entities["refusals_kept"] == 2
    assert _states(importing) == {("ann@example.test", "email", ""): "withdrawn"}


@pytest.mark.parametrize(("said_at", "outcome"), [("2026-11-20T10:00:00Z", "granted"), ("2026-01-05", "withdrawn")])
def test_a_file_that_says_when_is_weighed_by_that_time(importing: Importing, said_at: str, outcome: str) -> None:
    _say(importing, Status.WITHDRAWN)
    _run(importing, f"email,consent.email,consented_at\nann@example.test,yes,{said_at}\n")
    assert _states(importing) == {("ann@example.test", "email", ""): outcome}
    with importing.scope():
        assert ConsentEntry.objects.count() == 2, "what came too late is kept as proof"


def test_no_file_takes_back_the_refusal_of_somebody_erased(importing: Importing) -> None:
    _run(importing, "email,consent.email\nann@example.test,no\n")
    with importing.scope():
        customer_id = Customer.objects.get().id
    whom: dict[str, Any] = {"workspace_id": importing.workspace_id, "now": importing.now}
    erasure = request_erasure(customer_id=customer_id, actor="test", **whom)
    while erase_next(erasure_id=erasure.id, **whom):
        pass
    for text in ("email,consent.email\n{},yes\n", "email,consent.email,consented_at\n{},yes,2026-11-22\n"):
        job = _run(importing, text.format("ann@example.test"))
        assert job.entities["refusals_kept"] == 1
        assert _states(importing) == {}
        with importing.scope():
            assert find_suppressed(channel="email", addresses=["ann@example.test"])


def test_nobody_consents_in_the_future(importing: Importing) -> None:
    job = _run(importing, "email,consent.email,consented_at\nann@example.test,yes,2027-01-01\n")
    assert (job.rows_failed, _states(importing)) == (1, {})


def test_a_customer_found_by_another_name_speaks_for_the_address_of_the_profile(importing: Importing) -> None:
    _run(importing, "id,email\n7,ann@example.test\n")
    job = _run(importing, "id,consent.email,consent.sms\n7,no,no\n8,no,\n")
    assert (job.rows_updated, job.rows_created) == (1, 1)
    assert _states(importing) == {
        ("ann@example.test", "email", ""): "denied",
        ("", "sms", ""): "denied",  # no number is known: it is the person's word
        ("", "email", ""): "denied",
    }


def test_a_dry_run_tells_the_differences_and_writes_nothing(importing: Importing) -> None:
    _say(importing, Status.GRANTED)
    text = "email,consent.email,consent.sms\nann@example.test,no,\nbob@example.test,yes,yes\n"
    job = _run(importing, text, is_dry_run=True)
    told = [(item["row"], item["field"], item["before"], item["after"]) for item in job.report["differences"]]
    assert told == [
        (1, "consent.email", "granted", "denied"),
        (2, "consent.email", None, "granted"),
        (2, "consent.sms", None, "granted"),
    ]
    assert job.entities["consents_changed"] == 3
    assert _states(importing) == {("ann@example.test", "email", ""): "granted"}


def test_undo_lets_hold_again_what_held_before(importing: Importing) -> None:
    _say(importing, Status.GRANTED)
    job = _run(importing, "email,consent.email\nann@example.test,no\nbob@example.test,yes\neve@example.test,no\n")
    with importing.scope():
        lines = ConsentEntry.objects.count()
    importing.now += timedelta(days=1)
    report = importing.undo(job).report
    assert _states(importing) == {
        ("ann@example.test", "email", ""): "granted",
        ("bob@example.test", "email", ""): "withdrawn",  # nobody had granted it
        ("eve@example.test", "email", ""): "denied",  # and nothing makes a grant of a refusal
    }
    assert report["undone"]["consents_corrected"] == 2
    assert [item["reason"] for item in report["kept"] if item["table"] == "consent_entries"] == [
        "a refusal stays: nothing was said before it"
    ]
    with importing.scope():
        assert ConsentEntry.objects.count() == lines + 2, "the ledger only grows"
        correction = ConsentEntry.objects.get(address="ann@example.test", source=f"undo:{job.id}")
        assert correction.proof["restores"] == "page"
        assert SuppressedAddress.objects.get(address="ann@example.test").lifted_at is not None


def test_undo_touches_nothing_that_was_said_since(importing: Importing) -> None:
    _say(importing, Status.GRANTED, Scope(channel="email", topic="news"))
    job = _run(importing, "email,consent.email,consent.email.news\nann@example.test,yes,no\n")
    _say(importing, Status.WITHDRAWN, days=1)
    importing.now += timedelta(days=2)
    importing.undo(job)
    assert _states(importing)["ann@example.test", "email", ""] == "withdrawn"
    with importing.scope():
        topic = ConsentStateRow.objects.get(topic="news")
        assert topic.status == "granted"
        assert topic.happened_at < NOW + timedelta(days=1), "older than the refusal of everything, which still holds"


def test_undoing_the_word_of_a_person_without_an_address(importing: Importing) -> None:
    _run(importing, "id,consent.sms\n7,no\n")
    importing.now += timedelta(hours=1)
    job = _run(importing, "id,consent.sms,consented_at\n7,yes,2026-11-22T12:30:00Z\n")
    assert _states(importing) == {("", "sms", ""): "granted"}
    importing.now += timedelta(hours=1)
    importing.undo(job)
    assert _states(importing) == {("", "sms", ""): "denied"}


@pytest.mark.parametrize("target", ["consent.fax", "consent.email.", "consent."])
def test_a_subscription_names_a_channel_and_maybe_a_topic(importing: Importing, target: str) -> None:
    with pytest.raises(MappingInvalid):
        importing.prepare("customers", "email,x\na@example.test,1\n", {"columns": {"email": "email", "x": target}})
