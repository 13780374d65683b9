"""Who is who: links, merges and contradictions, whatever the order in which the facts come."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from kapelle.accounts.actions import create_workspace
from kapelle.customers.actions import links, resolving, settled
from kapelle.customers.models import IdentityLink
from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from road import Road, alias, identify, minutes, track

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg


def _person(**names: str) -> frozenset[tuple[str, str]]:
    return frozenset(names.items())


def test_an_anonymous_visitor_who_identifies_is_one_person(road: Road) -> None:
    road.send(track("m1", anonymous="a1"))
    road.project()
    road.send(identify("m2", user="u1", anonymous="a1", traits={"email": "Ann@Shop.test"}))
    road.project()
    road.send(track("m3", user="u1"))
    road.project()
    person = _person(anonymous_id="a1", user_id="u1", email="ann@shop.test")
    assert road.people() == {person}
    assert road.events_of() == {person: ["m1", "m2", "m3"]}


def test_two_profiles_that_meet_become_one_and_the_journal_says_why(road: Road, now: datetime) -> None:
    road.send(track("m1", anonymous="a1"), identify("m2", user="u1", traits={"firstName": "Ann"}))
    road.project()
    (loser,) = road.rows("SELECT customer_id FROM identifiers WHERE value = 'a1'")[0]
    (winner,) = road.rows("SELECT customer_id FROM identifiers WHERE value = 'u1'")[0]
    road.send(track("m3", user="u1", anonymous="a1"))
    road.project()
    assert road.people() == {_person(anonymous_id="a1", user_id="u1")}
    journal = road.rows("SELECT winner_id, loser_id, reason, evidence->'facts'->0->>'message_id' FROM merge_journal")
    assert journal == [(winner, loser, "same_person", "m3")]
    assert road.rows("SELECT merged_into FROM customers WHERE id = %s", loser) == [(winner,)]
    assert road.rows("SELECT DISTINCT origin_id FROM events WHERE message_id = 'm1'") == [(loser,)]


def test_an_identified_customer_wins_over_an_older_anonymous_one(road: Road, now: datetime) -> None:
    road.send(track("m1", anonymous="a1"))
    road.project()
    later = minutes(now, 60)
    road.send(track("m2", user="u1"))
    road.project(clock=lambda: later)
    road.send(track("m3", user="u1", anonymous="a1"))
    road.project(clock=lambda: later)
    assert road.profile(anonymous_id="a1")["external_id"] == "u1"
    assert road.profile(anonymous_id="a1")["created_at"] == later


def test_whoever_was_merged_into_the_loser_follows_to_the_winner(road: Road) -> None:
    for message in (track("m1", anonymous="a1"), track("m2", anonymous="a2"), identify("m3", user="u1")):
        road.send(message)
        road.project()
    road.send(track("m4", anonymous="a1") | {"context": {"device": {"id": "d1"}}})
    road.send(track("m5", anonymous="a2") | {"context": {"device": {"id": "d1"}}})
    road.project()
    road.send(track("m6", user="u1", anonymous="a2"))
    road.project()
    assert road.people() == {_person(user_id="u1", device_id="d1") | {("anonymous_id", "a1"), ("anonymous_id", "a2")}}
    assert road.rows("SELECT count(DISTINCT merged_into), count(merged_into) FROM customers") == [(1, 2)]


def test_two_users_on_one_device_stay_two_people(road: Road, now: datetime) -> None:
    road.send(track("m1", user="u1", anonymous="a1", at=minutes(now, -9)))
    road.send(track("m2", user="u2", anonymous="a1", at=minutes(now, -8)))
    road.send(track("m3", anonymous="a1", at=minutes(now, -7)))
    road.project()
    assert road.events_of() == {_person(user_id="u1", anonymous_id="a1"): ["m1", "m3"], _person(user_id="u2"): ["m2"]}
    ((kind, value, reason, times),) = road.rows("SELECT kind, value, reason, times FROM identity_reviews")
    assert (kind, value, reason, times) == ("anonymous_id", "a1", "different_user_id", 1)
    road.send(track("m4", user="u2", anonymous="a1"))
    road.project()
    assert road.rows("SELECT times FROM identity_reviews") == [(2,)]


def test_a_sixth_address_is_not_tied_to_a_customer(road: Road, now: datetime) -> None:
    road.send(
        *(identify(f"m{n}", user="u1", traits={"email": f"e{n}@shop.test"}, at=minutes(now, n - 20)) for n in range(6))
    )
    road.project()
    assert road.rows("SELECT count(*) FROM identifiers WHERE kind = 'email' AND customer_id IS NOT NULL") == [(5,)]
    assert road.rows("SELECT count(*) FROM customers") == [(1,)]
    assert road.profile(user_id="u1")["email"] == "e4@shop.test"


def test_an_alias_joins_two_user_ids(road: Road) -> None:
    road.send(track("m1", user="old"), track("m2", user="new"))
    road.project()
    road.send(alias("m3", user="new", previous="old"))
    road.project()
    road.send(track("m4", user="old"), track("m5", user="new", anonymous="a1"))
    road.project()
    assert sorted(map(sorted, road.events_of().values())) == [["m1", "m2", "m3", "m4", "m5"]]


def test_merged_profiles_keep_the_newest_of_each_field(road: Road, now: datetime) -> None:
    road.send(
        identify("m1", anonymous="a1", traits={"city": "Riga", "lastName": "Lee", "size": "M"}, at=minutes(now, -5)),
        identify("m2", user="u1", traits={"city": "Oslo", "firstName": "Ann"}, at=minutes(now, -9)),
    )
    road.project()
    road.send(track("m3", user="u1", anonymous="a1"))
    road.project()
    profile = road.profile(user_id="u1")
    assert (profile["city"], profile["first_name"], profile["last_name"]) == ("Riga", "Ann", "Lee")
    assert profile["attributes"] == {"size": "M"}
    ((city,),) = road.rows("SELECT before->'fields'->'city'->>0 FROM merge_journal")
    assert city == "Oslo"


_STORY = [
    ("user", {"user": "u1", "anonymous": "a1"}),
    ("other user on the device", {"user": "u2", "anonymous": "a1"}),
    ("second device", {"user": "u1", "anonymous": "a2"}),
    ("contact", {"anonymous": "a3", "traits": {"email": "x@shop.test"}}),
    ("known contact", {"user": "u2", "traits": {"email": "x@shop.test"}}),
]


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_order_within_a_batch_does_not_change_the_people_even_if_they_contradict(
    road: Road, now: datetime, cut: int
) -> None:
    answers = []
    for order in list(permutations(range(len(_STORY))))[cut::40]:
        shop = Road(road.dsn, create_workspace(slug=f"c-{uuid7().hex}", name="C", now=now).id, now)
        for place in order:
            what, who = _STORY[place]
            shop.send(identify(what, at=minutes(now, place - 30), **who))
        shop.project()
        answers.append((shop.people(), shop.events_of()))
    assert all(answer == answers[0] for answer in answers)


def test_a_batch_of_known_customers_costs_one_query(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [track(f"a{n}", user=f"u{n}", anonymous=f"a{n}") for n in range(300)]
    road.send(*messages)
    road.project()
    statements: list[str] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            statements.append(name)
            return getattr(bulk_cursor(), name)

    for module in (links, resolving, settled):
        monkeypatch.setattr(module, "bulk_cursor", Counting)
    counts = []
    for again in "bcd":
        statements.clear()
        road.send(*(message | {"messageId": f"{again}{place}"} for place, message in enumerate(messages)))
        road.project()
        counts.append(len(statements))
    assert counts == [3, 1, 1]  # what has changed, then at first also the identifiers and their links


def test_what_is_remembered_of_facts_ends_with_a_link_that_was_removed(
    road: Road, owner: psycopg.Connection[Any]
) -> None:
    for number in range(3):
        road.send(track(f"m{number}", user="u", anonymous="a"))
        road.project()
    remove = "DELETE FROM identity_links WHERE workspace_id = %s"
    with workspace_scope(road.workspace_id):
        assert IdentityLink.objects.count() == 1
    with owner.transaction():
        owner.execute("SELECT set_config('kapelle.workspace', %s, true)", [str(road.workspace_id)])
        assert owner.execute(remove, [road.workspace_id]).rowcount == 1
    road.send(track("m3", user="u", anonymous="a"))
    road.project()
    with workspace_scope(road.workspace_id):
        assert IdentityLink.objects.count() == 1


def test_an_alias_makes_the_new_user_id_the_main_one(road: Road) -> None:
    road.send(alias("m1", user="new", previous="old"))
    road.project()
    assert road.profile(user_id="old")["external_id"] == "new"
