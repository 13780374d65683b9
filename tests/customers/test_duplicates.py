"""Probable duplicates, from customers in PostgreSQL to proposals: found, explained, kept, decided."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from kapelle.customers.actions.duplicates import (
    DuplicatesData,
    RunPair,
    dismiss_proposal,
    finish_run,
    queue_finding,
    record_pairs,
    start_run,
)
from kapelle.customers.actions.editing import Changes, update_customer, upsert_customer
from kapelle.customers.contracts import ProposalStatus
from kapelle.customers.models import DuplicateProposal, DuplicateRun, IdentityBarrier
from kapelle.customers.queries.duplicates import list_proposals, live_proposals
from kapelle.customers.tasks.duplicates import SearchFailed, find_duplicates, queue_nightly
from kapelle.kernel import config as kernel_config
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.contracts import Subject

if TYPE_CHECKING:
    from uuid import UUID

    from conftest import Api
    from kapelle.accounts.contracts import WorkspaceInfo

BORN = date(1987, 3, 12)
ANN = {"first_name": "Мария", "last_name": "Щербакова", "birth_date": BORN, "email": "moonlight@a.test", "city": "Рига"}
ANYA = {
    "first_name": "Masha",
    "last_name": "Scherbakova",
    "birth_date": BORN,
    "email": "moonlight@b.test",
    "city": "Riga",
}
LAST = "abdegiklmnoprstuvz"


def add(workspace_id: UUID, now: datetime, name: str, **fields: Any) -> UUID:
    attributes = fields.pop("attributes", {})
    customer_id, _ = upsert_customer(
        workspace_id=workspace_id,
        identifiers=[("user_id", name)],
        changes=Changes(fields=fields, attributes=attributes),
        source="test",
        now=now,
    )
    return customer_id


def add_strangers(workspace_id: UUID, now: datetime, count: int = 40) -> None:
    dice = random.Random(3)
    for number in range(count):
        name = "".join(dice.choices(LAST, k=7)).title()
        add(
            workspace_id,
            now,
            f"stranger-{number}",
            first_name=dice.choice(["Max", "Nina", "Oscar", "Petra", "Rosa", "Hugo", "Ida", "Leo"]),
            last_name=name,
            birth_date=date(1950, 1, 1) + timedelta(days=dice.randrange(20_000)),
            email=f"{name.lower()}@shop.test",
            city=dice.choice(["Riga", "Oslo", "Graz", "Kiel"]),
        )


def add_families(workspace_id: UUID, now: datetime) -> None:
    """Under one roof with one name."""
    for home in range(8):
        name = "".join(random.Random(home).choices(LAST, k=7)).title()
        for place, first in enumerate(("Egor", "Stella", "Felix")):
            add(
                workspace_id,
                now,
                f"family-{home}-{place}",
                first_name=first,
                last_name=name,
                birth_date=date(1960 + home + 13 * place, 1 + 4 * place, 5 + home + 7 * place),
                city="Riga",
                email=f"{first[0].lower()}{name.lower()}@shop.test",
                attributes={"address": f"Mill Lane {home}"},
            )


def propose(workspace_id: UUID, now: datetime, score: float = 9.0, **changes: Any) -> tuple[UUID, UUID]:
    """A pair as a search would propose it."""
    one, other = sorted([add(workspace_id, now, "a", **ANN), add(workspace_id, now, "b", **{**ANYA, **changes})])
    record(workspace_id, now, one, other, score)
    return one, other


def record(workspace_id: UUID, now: datetime, one: UUID, other: UUID, score: float) -> int:
    reasons = [("birth_date", "same", 11.5), ("first_name", "short_form", 4.0)]
    return record_pairs(workspace_id=workspace_id, pairs=[RunPair(one, other, score, reasons)], model="test", now=now)


def statuses(workspace_id: UUID) -> list[str]:
    with workspace_scope(workspace_id):
        return list(DuplicateProposal.objects.order_by("-score").values_list("status", flat=True))


def the_proposal(workspace_id: UUID) -> DuplicateProposal:
    with workspace_scope(workspace_id):
        return DuplicateProposal.objects.get()


def test_a_search_proposes_one_person_with_reasons_but_no_family_and_no_neighbor(
    workspace: WorkspaceInfo, neighbor: WorkspaceInfo, now: datetime
) -> None:
    add_strangers(workspace.id, now)
    add_families(workspace.id, now)
    pair = sorted([add(workspace.id, now, "a", **ANN), add(workspace.id, now, "b", **ANYA)])
    add(neighbor.id, now, "a", **ANN)
    run = find_duplicates(workspace_id=workspace.id, clock=lambda: now)
    assert (run.status, run.customers, run.found, run.proposed) == ("done", 66, 1, 1)
    with workspace_scope(workspace.id):
        (found,), following = list_proposals(status=ProposalStatus.OPEN, min_score=None, cursor=None, limit=5)
    assert following is None
    assert [person.id for person in found.customers] == pair
    assert {reason.field: reason.level for reason in found.reasons if reason.weight > 0} == {
        "first_name": "short_form",
        "last_name": "spelling",
        "birth_date": "same",
        "email": "other_domain",
        "city": "same",
    }
    assert "Birth date: the same" in [reason.text for reason in found.reasons]
    assert found.score > 10
    assert found.probability > 0.99

    again = find_duplicates(workspace_id=workspace.id, clock=lambda: now + timedelta(days=1))
    assert (again.found, again.proposed) == (1, 0)
    assert statuses(workspace.id) == ["open"]
    assert statuses(neighbor.id) == []
    assert find_duplicates(workspace_id=neighbor.id, clock=lambda: now).found == 0


def test_a_dismissed_pair_comes_back_only_when_new_facts_say_more(workspace: WorkspaceInfo, now: datetime) -> None:
    one, other = propose(workspace.id, now)
    proposal_id = the_proposal(workspace.id).id
    dismiss_proposal(workspace_id=workspace.id, proposal_id=proposal_id, actor="ann", now=now)
    dismiss_proposal(workspace_id=workspace.id, proposal_id=proposal_id, actor="bob", now=now)
    assert the_proposal(workspace.id).decided_by == "ann"

    assert record(workspace.id, now, one, other, 9.0) == 0
    assert record(workspace.id, now, one, other, 20.0) == 0  # another model, the same facts
    later = now + timedelta(days=1)
    oslo = Changes({"city": "Oslo"})
    update_customer(workspace_id=workspace.id, customer_id=other, changes=oslo, source="test", now=later)
    assert record(workspace.id, now, one, other, 7.0) == 0  # new facts, but they speak against it
    assert statuses(workspace.id) == ["dismissed"]
    assert record(workspace.id, later, one, other, 12.0) == 1
    assert the_proposal(workspace.id).id == proposal_id
    assert (statuses(workspace.id), the_proposal(workspace.id).decided_by) == (["open"], "")


def test_a_pair_that_is_not_found_again_is_obsolete_until_it_is(workspace: WorkspaceInfo, now: datetime) -> None:
    one, other = propose(workspace.id, now)
    later = now + timedelta(days=1)
    run_id = start_run(workspace_id=workspace.id, now=later)
    figures = {"records": 2, "found": 0, "model": "test", "seconds": 1}
    finish_run(workspace_id=workspace.id, run_id=run_id, figures=figures, proposed=0, now=later)
    assert statuses(workspace.id) == ["obsolete"]
    record(workspace.id, later, one, other, 9.0)
    assert statuses(workspace.id) == ["open"]


def test_who_was_merged_elsewhere_is_not_proposed(workspace: WorkspaceInfo, now: datetime, api: Api) -> None:
    made = [
        upsert_customer(
            workspace_id=workspace.id, identifiers=[("email", address)], changes=Changes(), source="test", now=now
        )[0]
        for address in ("ann@a.test", "ann@b.test")
    ]
    one, other = sorted(made)
    record(workspace.id, now, one, other, 9.0)
    assert len(api.get("/duplicates")["items"]) == 1
    upsert_customer(
        workspace_id=workspace.id,
        identifiers=[("email", "ann@a.test"), ("email", "ann@b.test")],
        changes=Changes(),
        source="test",
        now=now,
    )
    assert api.get("/duplicates")["items"] == []
    before = the_proposal(workspace.id)
    record(workspace.id, now + timedelta(days=1), one, other, 15.0)
    assert the_proposal(workspace.id).score == before.score == 9.0


def test_whom_somebody_took_apart_is_not_proposed(workspace: WorkspaceInfo, now: datetime) -> None:
    one, other = sorted([add(workspace.id, now, "a", **ANN), add(workspace.id, now, "b", **ANYA)])
    with workspace_scope(workspace.id):
        IdentityBarrier.objects.create(left_id=one, right_id=other, reason="two sisters", actor="ann", at=now)
    assert record(workspace.id, now, one, other, 20.0) == 0
    assert statuses(workspace.id) == []


def test_a_search_that_fails_says_why_and_leaves_nothing_behind(workspace: WorkspaceInfo, now: datetime) -> None:
    propose(workspace.id, now)
    nonsense: Any = "nonsense"
    with pytest.raises(SearchFailed, match="threshold"):
        find_duplicates(workspace_id=workspace.id, clock=lambda: now + timedelta(days=1), threshold=nonsense)
    with workspace_scope(workspace.id):
        run = DuplicateRun.objects.get()
    assert (run.status, "threshold" in run.error) == ("failed", True)
    assert statuses(workspace.id) == ["open"]
    assert not (kernel_config.load().home / "duplicates" / str(workspace.id)).exists()


def test_a_run_whose_process_was_killed_is_closed_by_the_next(workspace: WorkspaceInfo, now: datetime) -> None:
    start_run(workspace_id=workspace.id, now=now)
    find_duplicates(workspace_id=workspace.id, clock=lambda: now + timedelta(days=1))
    with workspace_scope(workspace.id):
        assert list(DuplicateRun.objects.order_by("started_at").values_list("status", flat=True)) == ["failed", "done"]


def test_the_nightly_search_is_queued_once_and_at_night(workspace: WorkspaceInfo, now: datetime) -> None:
    def waiting() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM procrastinate_jobs WHERE args ->> 'workspace_id' = %s AND task_name = %s",
                [str(workspace.id), "customers.find_duplicates"],
            )
            return int(cursor.fetchone()[0])

    queue_nightly(datetime(2026, 11, 22, 12, 0, tzinfo=UTC))
    assert waiting() == 0
    night = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
    queue_nightly(night)
    queue_nightly(night)
    assert waiting() == 1
    assert not queue_finding(workspace_id=workspace.id)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE args ->> 'workspace_id' = %s", [str(workspace.id)])
    start_run(workspace_id=workspace.id, now=night - timedelta(hours=1))
    queue_nightly(night)
    assert waiting() == 0


def test_the_queue_goes_by_score_and_shows_both_side_by_side(
    workspace: WorkspaceInfo, now: datetime, api: Api, neighbor_api: Api
) -> None:
    one, other = propose(workspace.id, now, attributes={"shoe": "42"})
    third, fourth = sorted(add(workspace.id, now, name, **ANN | {"email": f"{name}@c.test"}) for name in ("c", "d"))
    record(workspace.id, now, third, fourth, 12.5)
    page = api.get("/duplicates?limit=1")
    assert [item["score"] for item in page["items"]] == [12.5]
    (second,) = api.get(f"/duplicates?limit=1&cursor={page['next_cursor']}")["items"]
    assert second["score"] == 9.0
    assert second["probability"] == pytest.approx(512 / 513)
    assert [item["score"] for item in api.get("/duplicates?min_score=10")["items"]] == [12.5]
    assert api.get("/duplicates?min_score=nan", status=422)["code"] == "invalid"
    assert api.get("/duplicates?cursor=junk", status=422)["code"] == "invalid_cursor"

    shown = api.get(f"/duplicates/{second['id']}")
    assert [customer["id"] for customer in shown["customers"]] == [str(one), str(other)]
    compared = {row["field"]: row for row in shown["comparison"]}
    assert compared["birth_date"]["values"] == ["1987-03-12", "1987-03-12"]
    assert compared["birth_date"]["reason"]["text"] == "Birth date: the same"
    assert sorted(compared["first_name"]["values"]) == ["Masha", "Мария"]
    assert {str(value) for value in compared["attributes.shoe"]["values"]} == {"42", "None"}
    assert compared["attributes.shoe"]["reason"] is None
    assert neighbor_api.get("/duplicates")["items"] == []

    assert api.post(f"/duplicates/{second['id']}/dismiss")["proposal"]["status"] == "dismissed"
    assert [item["id"] for item in api.get("/duplicates?status=dismissed")["items"]] == [second["id"]]
    assert [item["score"] for item in api.get("/duplicates")["items"]] == [12.5]


def test_an_accepted_pair_is_one_customer_by_the_older_ones_id(
    workspace: WorkspaceInfo, now: datetime, api: Api
) -> None:
    older = add(workspace.id, now - timedelta(days=9), "a", **ANN)
    younger = add(workspace.id, now, "b", **ANYA)
    record(workspace.id, now, *sorted([older, younger]), 9.0)
    proposal = f"/duplicates/{the_proposal(workspace.id).id}"
    assert api.post(f"{proposal}/accept", {"winner_id": str(workspace.id)}, status=422)["code"] == "invalid"

    shown = api.post(f"{proposal}/accept", {})
    assert (shown["proposal"]["status"], shown["comparison"]) == ("accepted", [])
    merged = api.get(f"/customers/{younger}")
    assert (merged["id"], merged["merged_ids"]) == (str(older), [str(younger)])
    assert api.post(f"{proposal}/accept", {})["proposal"]["status"] == "accepted"
    assert api.post(f"{proposal}/dismiss", status=409)["code"] == "proposal_decided"
    (entry,) = api.get(f"/customers/{older}/merges")["items"]
    assert (entry["winner_id"], entry["loser_id"]) == (str(older), str(younger))

    assert record(workspace.id, now, *sorted([older, younger]), 30.0) == 0  # they are one: nothing to propose
    assert statuses(workspace.id) == ["accepted"]


def test_whose_id_lives_on_can_be_said(workspace: WorkspaceInfo, now: datetime, api: Api) -> None:
    pair = propose(workspace.id, now)
    proposal_id = the_proposal(workspace.id).id
    for wanted in pair[1:]:
        api.post(f"/duplicates/{proposal_id}/accept", {"winner_id": str(wanted)})
        assert {api.get(f"/customers/{one}")["id"] for one in pair} == {str(wanted)}


def test_many_are_accepted_above_a_score_each_customer_once(workspace: WorkspaceInfo, now: datetime, api: Api) -> None:
    ids = sorted(add(workspace.id, now, name, **ANN | {"email": f"{name}@c.test"}) for name in "abcde")
    for one, other, score in ((0, 1, 20.0), (1, 2, 19.0), (2, 3, 18.0), (3, 4, 5.0)):
        record(workspace.id, now, ids[one], ids[other], score)

    assert api.post("/duplicates/accept", {}, status=422)["code"] == "invalid"
    tried = api.post("/duplicates/accept", {"min_score": 10, "dry_run": True})
    assert tried == {"accepted": [], "refused": [], "left": 3}
    first = api.post("/duplicates/accept", {"min_score": 10, "limit": 1})
    assert (len(first["accepted"]), first["refused"], first["left"]) == (1, [], 1)
    second = api.post("/duplicates/accept", {"min_score": 10})
    assert (len(second["accepted"]), second["refused"], second["left"]) == (1, [], 0)
    assert sorted(statuses(workspace.id)) == ["accepted", "accepted", "open", "open"]
    homes = [api.get(f"/customers/{one}")["id"] for one in ids]
    assert homes[0] == homes[1]
    assert homes[2] == homes[3]
    assert len(set(homes)) == 3


def test_the_queue_is_read_from_its_index_in_order(workspace: WorkspaceInfo, now: datetime) -> None:
    propose(workspace.id, now)
    common = {"reasons": [], "facts": workspace.id, "model": "test", "status": ProposalStatus.OPEN, "found_at": now}
    with workspace_scope(workspace.id):
        DuplicateProposal.objects.bulk_create(
            DuplicateProposal(customer_id=min(pair), other_customer_id=max(pair), score=number % 70, **common)
            for number in range(5_000)
            if (pair := (uuid7(), uuid7()))
        )
        plan = live_proposals().order_by("-score", "-id")[:50].explain()
    assert "duplicate_proposals_best" in plan, plan
    assert "Seq Scan" not in plan, plan
    assert "Sort" not in plan, plan


def test_a_search_is_asked_for_and_told_by_api(workspace: WorkspaceInfo, now: datetime, api: Api) -> None:
    assert api.post("/duplicates/runs", status=202) == {"is_new": True}
    assert api.post("/duplicates/runs", status=202) == {"is_new": False}
    find_duplicates(workspace_id=workspace.id, clock=lambda: now)
    (run,) = api.get("/duplicates/runs")["items"]
    assert (run["status"], run["customers"], run["found"]) == ("done", 0, 0)


def test_a_person_is_handed_their_proposals_without_the_other_one_and_erased_from_them(
    workspace: WorkspaceInfo, now: datetime
) -> None:
    one, other = propose(workspace.id, now)
    data = DuplicatesData()
    with workspace_scope(workspace.id):
        for person, stranger in ((one, other), (other, one)):
            ((section, row),) = data.export(Subject(workspace.id, person, (person,), ()))
            assert section == "duplicate_proposals"
            assert row["score"] == 9.0
            assert str(stranger) not in str(row)
        subject = Subject(workspace.id, other, (other,), ())
        assert data.erase(subject, now) == {"duplicate_proposals": 1}
        assert data.erase(subject, now) == {}


def test_no_other_process_carries_the_engine_of_the_search() -> None:
    code = (
        "import sys, django; django.setup(); import kapelle.web.jobs, kapelle.web.urls, kapelle.web.subscriptions;"
        "sys.exit(bool({'splink', 'duckdb', 'nicknames', 'anyascii'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
