"""Merging by hand, taking merges back to the letter, rules of the brand, reviews, files of merges."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from imports.conftest import Importing
from kapelle.catalog.actions.projection import OrderProjection
from kapelle.customers.actions import EventResolver, ProfileProjection
from kapelle.customers.actions.deciding import Decision, decide_review, merge_by_hand, unmerge
from kapelle.customers.actions.rules import IdentityRuleInvalid, set_rule
from kapelle.customers.contracts import KindRule
from kapelle.customers.queries import get_customer, list_timeline, origins_of, resolve_customer
from kapelle.customers.tasks.identity import apply_rules
from kapelle.kernel.errors import Conflict, Invalid, NotFound
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from road import Road, alias, identify, minutes, track

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from conftest import Api
    from kapelle.accounts.contracts import WorkspaceInfo


@pytest.fixture
def importing(workspace: WorkspaceInfo, tmp_path: Path) -> Importing:
    return Importing(workspace, tmp_path)


def _project(road: Road, *messages: dict[str, Any]) -> None:
    for message in messages:
        road.send(message)
        road.project((EventResolver(),), (OrderProjection(), ProfileProjection()))


def _home(road: Road, **identifier: str) -> UUID:
    ((kind, value),) = identifier.items()
    ((home,),) = road.rows("SELECT customer_id FROM identifiers WHERE kind = %s AND value = %s", kind, value)
    return UUID(str(home))


def _dump(road: Road) -> dict[str, Any]:
    """All that is known of everybody, by names instead of ids, so that two runs can be compared."""
    found: dict[str, Any] = {}
    for home in [row[0] for row in road.rows("SELECT id FROM customers WHERE merged_into IS NULL")]:
        with workspace_scope(road.workspace_id):
            info = get_customer(home)
            events = [(item.message_id, item.name) for item in list_timeline(home, None, 100)[0]]
            origins = origins_of(home)
        orders = road.rows("SELECT external_id, total FROM orders WHERE origin_id = ANY(%s) ORDER BY 1", origins)
        profile = {
            name: getattr(info, name)
            for name in info.__dataclass_fields__
            if name not in {"id", "created_at", "updated_at", "merged_ids"}
        }
        found[str(sorted(info.identifiers))] = (profile, events, orders)
    return found


def _story(now: datetime) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What two people did before they were taken for one, and after."""

    def order(message: str, number: str, minute: int, **who: str) -> dict[str, Any]:
        properties = {"order_id": number, "total": 10 + minute, "currency": "EUR"}
        return track(message, event="Order Completed", at=minutes(now, minute), properties=properties, **who)

    before = [
        identify("b1", user="u1", anonymous="a1", at=minutes(now, -90), traits={"email": "ann@x.test", "city": "Riga"}),
        identify("b2", user="u1", at=minutes(now, -80), traits={"size": "M", "birthday": "1990-02-03"}),
        track("b3", anonymous="a2", at=minutes(now, -70), context={"locale": "de", "os": {"name": "iOS"}}),
        identify("b4", anonymous="a2", at=minutes(now, -60), traits={"city": "Oslo", "firstName": "Bob", "size": "L"}),
        order("b5", "o1", -50, user="u1"),
        order("b6", "o2", -45, anonymous="a2"),
    ]
    after = [
        identify("c1", anonymous="a2", at=minutes(now, -20), traits={"phone": "+442079460958", "points": 7}),
        identify("c2", user="u1", at=minutes(now, -19), traits={"city": "Paris", "lastName": "Lee"}),
        track("c3", anonymous="a2", at=minutes(now, -18)),
        order("c4", "o3", -15, anonymous="a2"),
        order("c5", "o4", -14, user="u1"),
        track("c6", anonymous="a1", at=minutes(now, -13), context={"locale": "fr"}),
    ]
    return before, after


def _never_merged(road: Road, workspace: UUID, now: datetime, *messages: dict[str, Any]) -> dict[str, Any]:
    other = Road(road.dsn, workspace, now)
    _project(other, *messages)
    return _dump(other)


def test_taking_back_a_merge_by_hand_is_its_exact_inverse_and_routes_what_came_since(
    road: Road, neighbor: Any, now: datetime
) -> None:
    before, after = _story(now)
    _project(road, *before)
    bob, ann = _home(road, anonymous_id="a2"), _home(road, user_id="u1")
    home = merge_by_hand(
        workspace_id=road.workspace_id, winner_id=bob, loser_ids=[ann], reason="says Bob", now=now, actor="api:k"
    )
    assert home == bob  # whoever merges by hand chooses who lives on
    assert road.profile(user_id="u1")["city"] == "Oslo"
    _project(road, *after)
    assert len(_dump(road)) == 1
    ((entry, reason),) = road.rows("SELECT id, reason FROM merge_journal")
    assert reason == "by_hand"

    unmerge(workspace_id=road.workspace_id, entry_id=entry, now=now, actor="api:k")

    assert _dump(road) == _never_merged(road, neighbor.id, now, *before, *after)
    assert road.rows("SELECT undone_at IS NOT NULL FROM merge_journal") == [(True,)]
    with pytest.raises(Conflict):
        unmerge(workspace_id=road.workspace_id, entry_id=entry, now=now, actor="api:k")


def test_taking_back_a_merge_that_a_fact_showed_keeps_the_two_apart(road: Road, neighbor: Any, now: datetime) -> None:
    before, after = _story(now)
    meeting = track("m", user="u1", anonymous="a2", at=minutes(now, -40))
    _project(road, *before, meeting, *after)
    assert len(_dump(road)) == 1
    ((entry,),) = road.rows("SELECT id FROM merge_journal")

    unmerge(workspace_id=road.workspace_id, entry_id=entry, now=now, actor="api:k")

    # In a world where the two never met, the event of their meeting would be the user's own.
    alone = track("m", user="u1", at=minutes(now, -40))
    assert _dump(road) == _never_merged(road, neighbor.id, now, *before, alone, *after)
    _project(road, track("m2", user="u1", anonymous="a2"))
    assert len(_dump(road)) == 2
    assert road.rows("SELECT count(*) FROM identity_reviews") == [(0,)]  # somebody has decided that already
    loser = resolve_customer_of(road, _home(road, anonymous_id="a2"))
    assert loser == _home(road, anonymous_id="a2")


def resolve_customer_of(road: Road, customer_id: UUID) -> UUID:
    with workspace_scope(road.workspace_id):
        return resolve_customer(customer_id)


def test_who_was_taken_apart_can_be_merged_by_hand_again(road: Road, now: datetime) -> None:
    _project(road, track("m1", user="u1"), track("m2", anonymous="a1"), track("m3", user="u1", anonymous="a1"))
    ((entry, winner, loser),) = road.rows("SELECT id, winner_id, loser_id FROM merge_journal")
    unmerge(workspace_id=road.workspace_id, entry_id=entry, now=now, actor="x")
    for _ in range(2):  # saying it twice changes nothing
        merge_by_hand(
            workspace_id=road.workspace_id, winner_id=winner, loser_ids=[loser], reason="", now=now, actor="x"
        )
    assert len(road.people()) == 1
    assert road.rows("SELECT count(*) FROM identity_barriers") == [(0,)]
    assert road.rows("SELECT count(*) FROM merge_journal WHERE undone_at IS NULL") == [(1,)]


def test_a_neighbors_customer_cannot_be_merged_or_taken_apart(road: Road, neighbor: Any, now: datetime) -> None:
    _project(road, track("m1", user="u1"), track("m2", anonymous="a1"), track("m3", user="u1", anonymous="a1"))
    other = Road(road.dsn, neighbor.id, now)
    _project(other, track("m1", user="u1"))
    mine, theirs = _home(road, user_id="u1"), _home(other, user_id="u1")
    with pytest.raises(NotFound):
        merge_by_hand(workspace_id=neighbor.id, winner_id=theirs, loser_ids=[mine], reason="", now=now, actor="x")
    ((entry,),) = road.rows("SELECT id FROM merge_journal")
    with pytest.raises(NotFound):
        unmerge(workspace_id=neighbor.id, entry_id=entry, now=now, actor="x")


def test_a_phone_that_people_share_links_them_and_merges_nobody(road: Road, now: datetime) -> None:
    rule = KindRule("phone", 50, limit=5, grants_access=False)
    set_rule(workspace_id=road.workspace_id, rule=rule, now=now, actor="x")
    home = {"phone": "+442079460958"}
    _project(road, identify("m1", user="u1", traits=home), identify("m2", user="u2", traits=home))
    assert len(road.people()) == 2
    assert [road.profile(user_id=user)["phone"] for user in ("u1", "u2")] == [home["phone"]] * 2
    with workspace_scope(road.workspace_id):
        assert get_customer(_home(road, user_id="u2")).shared_identifiers == (("phone", home["phone"]),)
        assert get_customer(_home(road, user_id="u1")).identifiers == (("user_id", "u1"), ("phone", home["phone"]))
    assert road.rows("SELECT count(*) FROM identity_reviews") == [(0,)]


def test_blocked_values_of_the_brand_name_nobody(road: Road, now: datetime) -> None:
    rule = KindRule("email", 40, limit=5, blocked=("Team@X.test",), blocked_patterns=(r"kiosk\d+@.*",))
    set_rule(workspace_id=road.workspace_id, rule=rule, now=now, actor="x")
    _project(
        road,
        identify("m1", user="u1", traits={"email": "team@x.test"}),
        identify("m2", user="u2", traits={"email": "TEAM@x.test"}),
        identify("m3", user="u3", traits={"email": "kiosk12@x.test"}),
    )
    assert road.people() == {frozenset({("user_id", f"u{n}")}) for n in (1, 2, 3)}
    for bad in (KindRule("email", 40, blocked_patterns=("(",)), KindRule("a b", 1), KindRule("email", 1, limit=0)):
        with pytest.raises(IdentityRuleInvalid):
            set_rule(workspace_id=road.workspace_id, rule=bad, now=now, actor="x")


def test_a_changed_rule_is_applied_to_those_who_are_there(road: Road, now: datetime) -> None:
    _project(
        road,
        identify("m1", anonymous="kiosk", traits={"email": "ann@x.test"}),
        identify("m2", anonymous="kiosk", traits={"email": "bob@x.test", "city": "Riga"}),
    )
    assert len(road.people()) == 1
    rule = KindRule("anonymous_id", 90, blocked=("kiosk",))
    set_rule(workspace_id=road.workspace_id, rule=rule, now=now, actor="x")
    apply_rules(now)
    assert road.people() == {frozenset({("email", "ann@x.test")}), frozenset({("email", "bob@x.test")})}
    assert [road.profile(email=f"{name}@x.test")["city"] for name in ("ann", "bob")] == ["", "Riga"]
    assert road.rows("SELECT applied_at IS NOT NULL FROM identity_rules") == [(True,)]
    set_rule(workspace_id=road.workspace_id, rule=KindRule("anonymous_id", 90), now=now, actor="x")
    apply_rules(now)
    assert len(road.people()) == 1


def test_reviews_are_settled_by_merging_keeping_apart_or_dismissing(road: Road, now: datetime) -> None:
    for number in (1, 2, 3):
        _project(
            road,
            track(f"x{number}", user=f"u{number}", anonymous=f"a{number}", at=minutes(now, -9)),
            track(f"y{number}", user=f"v{number}", anonymous=f"a{number}", at=minutes(now, -8)),
        )
    reviews = [row[0] for row in road.rows("SELECT id FROM identity_reviews ORDER BY value")]
    for review, decision in zip(reviews, Decision, strict=True):
        decide_review(workspace_id=road.workspace_id, review_id=review, decision=decision, now=now, actor="x")
        with pytest.raises(Conflict):
            decide_review(workspace_id=road.workspace_id, review_id=review, decision=decision, now=now, actor="x")
    assert _home(road, user_id="u1") == _home(road, user_id="v1")
    assert _home(road, user_id="u2") != _home(road, user_id="v2")
    _project(road, alias("z", user="u2", previous="v2"))  # even if a sender says so
    assert _home(road, user_id="u2") != _home(road, user_id="v2")
    assert road.rows("SELECT resolution FROM identity_reviews ORDER BY value") == [
        ("merge",),
        ("keep_apart",),
        ("dismiss",),
    ]


def test_identity_by_api(road: Road, api: Api) -> None:
    ann = api.post("/customers", {"email": "ann@x.test", "city": "Riga"}, status=201)
    bob = api.post("/customers", {"external_id": "u9", "first_name": "Bob"}, status=201)
    merged = api.post(f"/customers/{ann['id']}/merge", {"customer_ids": [bob["id"]], "reason": "same"})
    assert (merged["id"], merged["first_name"], merged["merged_ids"]) == (ann["id"], "Bob", [bob["id"]])
    (entry,) = api.get(f"/customers/{bob['id']}/merges")["items"]
    assert (entry["reason"], entry["undone_at"]) == ("by_hand", None)
    assert api.post(f"/identity/merges/{entry['id']}/undo") == {"customer_id": bob["id"]}
    assert api.get(f"/customers/{bob['id']}")["first_name"] == "Bob"
    assert api.get(f"/customers/{ann['id']}")["first_name"] == ""
    rule = {
        "kind": "email",
        "priority": 5,
        "limit": 2,
        "grants_access": True,
        "blocked": ["x@y.test"],
        "blocked_patterns": [],
    }
    saved = api.call("PUT", "/identity/rules", rule)
    assert (saved["kind"], saved["limit"], saved["is_default"], saved["is_applied"]) == ("email", 2, False, False)
    assert api.get("/identity/rules")[0]["kind"] == "email"
    assert api.call("PUT", "/identity/rules", {**rule, "blocked_patterns": ["("]}, status=422)["code"] == (
        "identity_rule_invalid"
    )
    assert (
        api.post(f"/customers/{ann['id']}/merge", {"customer_ids": [str(uuid7())]}, status=404)["code"] == "not_found"
    )


def test_a_file_of_merges_and_its_undo(road: Road, importing: Importing) -> None:
    _project(
        road,
        identify("m1", user="u1", traits={"city": "Riga"}),
        identify("m2", user="u2", traits={"size": "M"}),
        track("m3", anonymous="a3"),
        track("m4", user="u4"),
    )
    before = road.people()
    text = f"winner,loser\nuser_id:u1,user_id:u2\nuser_id:u1,anonymous_id:a3\n{_home(road, user_id='u2')},user_id:u1\n"
    text += f"user_id:nobody,user_id:u4\nnonsense,user_id:u4\nid:{_home(road, user_id='u4')},user_id:u4\n"
    dry = importing.run("merges", text, is_dry_run=True)
    assert (dry.rows_updated, dry.rows_unchanged, dry.rows_failed) == (2, 2, 2)
    assert road.people() == before
    job = importing.run("merges", text)
    assert (job.rows_updated, job.rows_unchanged, job.rows_failed) == (2, 2, 2)
    assert sorted(len(names) for names in road.people()) == [1, 3]
    assert road.profile(user_id="u1")["attributes"] == {"size": "M"}
    importing.now += timedelta(hours=1)
    done = importing.undo(job)
    assert (road.people(), done.report["kept"]) == (before, [])
    assert road.profile(user_id="u1")["attributes"] == {}


def test_an_import_that_merged_people_is_taken_back_whole(road: Road, importing: Importing) -> None:
    importing.run("customers", "id,city\n1,Ufa\n")
    importing.run("customers", "email,first name\na@example.org,Ada\n")
    before = _dump(road)
    importing.now += timedelta(days=1)
    job = importing.run("customers", "id,email,phone\n1,a@example.org,+442079460958\n")
    assert len(road.people()) == 1
    assert importing.undo(job).report["kept"] == []
    assert _dump(road) == before


def test_merging_nobody_is_refused(road: Road, now: datetime) -> None:
    _project(road, track("m1", user="u1"))
    with pytest.raises(Invalid):
        merge_by_hand(
            workspace_id=road.workspace_id,
            winner_id=_home(road, user_id="u1"),
            loser_ids=[],
            reason="",
            now=now,
            actor="x",
        )
