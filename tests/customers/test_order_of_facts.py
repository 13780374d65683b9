"""Any order of the same facts, cut into any batches, gives the same people: with limits, aliases, shared contacts."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kapelle.customers.actions.replaying import replay
from kapelle.customers.actions.resolving import LATE_AT_ONCE, resolve_facts
from kapelle.customers.actions.rules import set_rule
from kapelle.customers.contracts import Fact, KindRule, strength
from kapelle.customers.models import Identifier
from kapelle.events.actions import open_batch
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from kapelle.accounts.contracts import WorkspaceInfo

_POOLS = {"user_id": 3, "email": 4, "phone": 2, "device_id": 2, "anonymous_id": 4}
_NAMES = st.sampled_from([(kind, f"{kind[0]}{n}") for kind, count in _POOLS.items() for n in range(count)])
_FACTS = st.lists(st.tuples(st.integers(0, 6), st.lists(_NAMES, min_size=1, max_size=3, unique=True)), max_size=9)

People = tuple[set[frozenset[tuple[str, str]]], dict[str, frozenset[tuple[str, str]]]]


def _tell(workspace: UUID, told: list[tuple[int, Any]], cuts: list[list[int]], now: datetime) -> People:
    """Resolve the facts in these batches; gives the people, and whose each fact is in the end."""
    run = uuid7().hex
    facts = {}
    for batch in cuts:
        with workspace_scope(workspace):
            for place in batch:
                at, names = told[place]
                pairs = tuple(sorted(((kind, f"{run}-{value}") for kind, value in names), key=lambda p: strength(p[0])))
                facts[place] = Fact(pairs, now + timedelta(minutes=at), f"{run}-{place:03}", "test")
            resolve_facts(open_batch(source="test", now=now), [facts[place] for place in batch])
    with workspace_scope(workspace):
        people: dict[Any, set[tuple[str, str]]] = {}
        homes = {}
        for row in Identifier.objects.filter(value__startswith=run):
            homes[row.id] = row.customer_id
            if row.customer_id:
                people.setdefault(row.customer_id, set()).add((row.kind, row.value.removeprefix(f"{run}-")))
    named = {home: frozenset(names) for home, names in people.items()}
    return set(named.values()), {str(place): named[homes[fact.origin_id]] for place, fact in facts.items()}


def _check(workspace: WorkspaceInfo, now: datetime, data: st.DataObject) -> None:
    told = data.draw(_FACTS)
    order = data.draw(st.permutations(range(len(told))))
    cuts: list[list[int]] = [[]]
    for place in order:
        if data.draw(st.booleans()):
            cuts.append([])
        cuts[-1].append(place)
    at_once = _tell(workspace.id, told, [list(range(len(told)))], now)
    piecemeal = _tell(workspace.id, told, cuts, now)
    assert piecemeal == at_once


_SETTINGS = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    "derandomize": "KAPELLE_RANDOM" not in os.environ,
}


@settings(max_examples=60, **_SETTINGS)
@given(data=st.data())
def test_the_order_of_arrival_never_changes_who_is_who(
    workspace: WorkspaceInfo, now: datetime, data: st.DataObject
) -> None:
    _check(workspace, now, data)


@settings(max_examples=40, **_SETTINGS)
@given(data=st.data())
def test_nor_does_it_with_rules_of_the_brand(workspace: WorkspaceInfo, now: datetime, data: st.DataObject) -> None:
    for rule in (
        KindRule("phone", 50, limit=2, grants_access=False),
        KindRule("email", 40, limit=2),
        KindRule("anonymous_id", 90, limit=3),
    ):
        set_rule(workspace_id=workspace.id, rule=rule, now=now, actor="test")
    _check(workspace, now, data)


def test_late_facts_of_more_people_than_are_worked_out_at_once(workspace: WorkspaceInfo, now: datetime) -> None:
    """Each visitor turns out to be somebody, but it is told later that they were somebody else before that."""
    people = 3 * LATE_AT_ONCE
    told: list[tuple[int, Any]] = []
    for n in range(people):
        told += [
            (5, [("user_id", f"u{n}"), ("anonymous_id", f"a{n}")]),
            (3, [("user_id", f"w{n}"), ("anonymous_id", f"a{n}")]),
        ]
    in_order = _tell(workspace.id, told, [sorted(range(len(told)), key=lambda place: told[place][0])], now)
    late_last = _tell(workspace.id, told, [list(range(0, len(told), 2)), list(range(1, len(told), 2))], now)
    assert in_order == late_last
    assert frozenset({("user_id", "w7"), ("anonymous_id", "a7")}) in late_last[0]


def test_who_is_late_does_not_make_others_late(
    workspace: WorkspaceInfo, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [(5, [("user_id", f"u{n}"), ("anonymous_id", f"a{n}")]) for n in range(3)]
    late = [(4, [("user_id", "u1"), ("email", "one@example.test")])]
    timely = [(6, [("user_id", f"u{n}"), ("email", f"{n}@example.test")]) for n in (0, 2)]
    seeds: list[int] = []

    def counted(batch: Any, names: Any, rules: Any) -> Any:
        seeds.append(len(set(names)))
        return replay(batch, names, rules)

    monkeypatch.setattr("kapelle.customers.actions.resolving.replay", counted)
    _tell(workspace.id, known + late + timely, [[0, 1, 2], [3, 4, 5]], now)
    assert seeds == [2]  # the late one's user_id and e-mail address


@pytest.mark.long
@settings(max_examples=5000, **_SETTINGS)
@given(data=st.data())
def test_thousands_of_stories(workspace: WorkspaceInfo, now: datetime, data: st.DataObject) -> None:
    _check(workspace, now, data)
