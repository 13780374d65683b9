"""Merges lose nothing: taken back they leave everybody as before, and two workers that merge at once agree."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kapelle.customers.actions import resolve_facts
from kapelle.customers.actions.deciding import merge_by_hand, unmerge
from kapelle.customers.actions.editing import Changes, update_customer
from kapelle.customers.actions.profiles import refold
from kapelle.customers.actions.rules import load_rules
from kapelle.customers.contracts import Fact, strength
from kapelle.customers.models import Customer, Identifier, MergeEntry
from kapelle.events.actions import open_batch, record_events
from kapelle.events.contracts import Event
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime

    from kapelle.accounts.contracts import WorkspaceInfo

_NAMES = st.sampled_from([(kind, f"{kind[0]}{n}") for kind in ("user_id", "email", "anonymous_id") for n in range(3)])
_FACTS = st.lists(st.lists(_NAMES, min_size=1, max_size=3, unique=True), min_size=2, max_size=7)


def _tell(workspace: UUID, facts: list[list[tuple[str, str]]], run: str, now: datetime) -> None:
    with workspace_scope(workspace):
        batch = open_batch(source="test", now=now)
        told = [
            Fact(
                tuple(sorted(((kind, f"{run}-{value}") for kind, value in names), key=lambda pair: strength(pair[0]))),
                now + timedelta(seconds=place),
                f"{run}-{place}",
                "test",
            )
            for place, names in enumerate(facts)
        ]
        resolve_facts(batch, told)
        record_events(batch, [_event(fact, now) for fact in told])
    for place, fact in enumerate(told):
        update_customer(
            workspace_id=workspace,
            customer_id=fact.customer_id or UUID(int=0),
            changes=Changes(fields={"city": f"C{place}"}, attributes={f"a{place % 3}": place}),
            source="test",
            now=now + timedelta(seconds=place),
        )
    with workspace_scope(workspace):  # main identifiers stand in the profile, as the projector sees to
        refold(
            open_batch(source="test", now=now), {fact.customer_id for fact in told if fact.customer_id}, load_rules()
        )


def _event(fact: Fact, now: datetime) -> Event:
    times = fact.occurred_at, now
    return Event(uuid7(), "track", "Seen", *times, fact.message_id, "test", {}, {}, origin_id=fact.origin_id)


def _dump(workspace: UUID, run: str) -> dict[str, Any]:
    """Everybody of this run: whose each identifier is, each profile, each event's owner."""
    with workspace_scope(workspace), connection.cursor() as cursor:
        names = {row.id: row for row in Identifier.objects.filter(value__startswith=run)}
        homes = {row.customer_id for row in names.values()}
        hidden = ("batch_id", "updated_at", "linked_until", "workspace_id")
        people = {
            str(row["id"]): {key: value for key, value in row.items() if key not in hidden}
            for row in Customer.objects.filter(id__in=homes).values()
        }
        cursor.execute("SELECT message_id, origin_id FROM events WHERE message_id LIKE %s", [f"{run}%"])
        events = {message: str(names[origin].customer_id) for message, origin in cursor.fetchall()}
    owners = {f"{row.kind}:{row.value}": (str(row.customer_id), row.facet) for row in names.values()}
    return {"people": people, "owners": owners, "events": events}


@settings(
    max_examples=25,
    deadline=None,
    derandomize="KAPELLE_RANDOM" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(facts=_FACTS, data=st.data())
def test_a_merge_that_is_taken_back_leaves_everybody_as_they_were(
    workspace: WorkspaceInfo, now: datetime, facts: list[list[tuple[str, str]]], data: st.DataObject
) -> None:
    run = uuid7().hex
    _tell(workspace.id, facts, run, now)
    before = _dump(workspace.id, run)
    homes = sorted(before["people"])
    first, second = data.draw(st.sampled_from(homes)), data.draw(st.sampled_from(homes))
    if first == second:
        return
    ids = {"winner_id": UUID(first), "loser_ids": [UUID(second)]}
    merge_by_hand(workspace_id=workspace.id, reason="", now=now, actor="x", **ids)
    merged = _dump(workspace.id, run)
    assert sorted(merged["people"]) == sorted({*homes} - {second})
    assert merged["events"].keys() == before["events"].keys()
    with workspace_scope(workspace.id):
        entry = MergeEntry.objects.get(winner_id=first, loser_id=second, undone_at=None).id
    unmerge(workspace_id=workspace.id, entry_id=entry, now=now, actor="x")
    assert _dump(workspace.id, run) == before


def test_two_workers_that_merge_the_same_people_at_once_agree(workspace: WorkspaceInfo, now: datetime) -> None:
    run = uuid7().hex
    crossing = [[("user_id", "u1"), ("anonymous_id", f"a{n}")] for n in range(20)]
    alone = [[("anonymous_id", f"a{n}")] for n in range(20)]
    errors: list[Exception] = []

    def work(part: str, facts: list[list[tuple[str, str]]]) -> None:
        try:
            for place, fact in enumerate(facts):
                with workspace_scope(workspace.id):
                    batch = open_batch(source=part, now=now)
                    pairs = tuple((kind, f"{run}-{value}") for kind, value in fact)
                    resolve_facts(batch, [Fact(pairs, now + timedelta(seconds=place), f"{part}-{place}", part)])
        except Exception as error:  # told to the test below
            errors.append(error)
        finally:
            connection.close()

    parts = [("x", alone), ("y", crossing), ("z", list(reversed(crossing)))]
    threads = [threading.Thread(target=work, args=part) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with workspace_scope(workspace.id):
        homes = set(Identifier.objects.filter(value__startswith=run).values_list("customer_id", flat=True))
        assert len(homes) == 1
        assert Customer.objects.filter(merged_into=None, id__in=homes).count() == 1
