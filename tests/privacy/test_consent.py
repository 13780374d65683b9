"""The ledger of consent: what holds follows from what was said, whatever the order of hearing it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from django.db import ProgrammingError, connection
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import make_workspace
from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.actions import record_consents
from kapelle.privacy.contracts import (
    ADVERTISING,
    ANALYTICS,
    MARKETING,
    ConsentInvalid,
    ConsentState,
    Holder,
    Scope,
    Statement,
    Status,
    judge,
    latest,
)
from kapelle.privacy.queries import find_suppressed, list_states
from kapelle.privacy.queries.consents import Contact, find_refusals, read_states

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kapelle.accounts.contracts import WorkspaceInfo

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ANN, BOB = UUID(int=1), UUID(int=2)
GRANTED, WITHDRAWN, DENIED = Status.GRANTED, Status.WITHDRAWN, Status.DENIED
EMAIL = Scope(channel="email")
NEWS = Scope(channel="email", topic="news")


def say(status: Status, minute: int = 0, scope: Scope = EMAIL, *, who: UUID | None = None, **fields: Any) -> Statement:
    address = fields.pop("address", "" if who else "ann@example.test")
    return Statement(status, START + timedelta(minutes=minute), "test", scope, who, address, **fields)


scopes = st.builds(
    Scope,
    st.sampled_from([MARKETING, ANALYTICS]),
    st.sampled_from(["email", "sms"]),
    st.sampled_from(["", "news", "sale"]),
    st.sampled_from(["", "shoes"]),
)
statements = st.builds(
    say,
    st.sampled_from(Status),
    st.integers(0, 5),
    scopes,
    who=st.sampled_from([None, ANN, BOB]),
    proof=st.sampled_from([{}, {"text_version": "2"}]),
)


def record(workspace: WorkspaceInfo, *said: Statement) -> list[Any]:
    return record_consents(workspace_id=workspace.id, statements=said, now=START)


def stored(workspace: WorkspaceInfo) -> dict[tuple[Holder, Scope], ConsentState]:
    with workspace_scope(workspace.id):
        return {(state.holder, state.scope): state for state in read_states(["ann@example.test"], [ANN, BOB])}


@settings(max_examples=30, deadline=None)
@given(said=st.lists(statements, max_size=12), data=st.data())
def test_any_order_of_the_same_lines_gives_the_same_state(database: str, said: list[Statement], data: Any) -> None:
    """In any order, in any portions, and repeated: it is what the pure function says of the whole ledger."""
    shop = make_workspace(START)
    order = data.draw(st.permutations(said))
    cut = data.draw(st.integers(0, len(said)))
    record(shop, *order[:cut])
    record(shop, *order[cut:])
    record(shop, *said)
    assert stored(shop) == latest(said)


@given(st.lists(statements, max_size=12), scopes)
def test_people_who_are_one_have_the_strictest_of_all(said: list[Statement], asked: Scope) -> None:
    states = list(latest(said).values())

    def of(*origins: UUID) -> list[ConsentState]:
        return [state for state in states if state.holder.origin_id in origins]

    apart = [judge(of(ANN), asked), judge(of(BOB), asked)]
    together = judge(of(ANN, BOB), asked)
    if any(one and one.status.is_refusal for one in apart):
        assert together is not None
        assert together.status.is_refusal
    else:
        assert together in apart


def verdict(said: Iterable[Statement], asked: Scope) -> Status | None:
    found = judge(latest(said).values(), asked)
    return found.status if found else None


def test_nobody_who_was_not_asked_has_granted_or_refused() -> None:
    assert verdict([], EMAIL) is None


def test_who_leaves_everything_leaves_each_topic() -> None:
    assert verdict([say(GRANTED, 1, NEWS), say(WITHDRAWN, 2)], NEWS) is WITHDRAWN


def test_a_topic_taken_after_leaving_everything_comes_and_nothing_else() -> None:
    said = [say(WITHDRAWN, 1), say(GRANTED, 2, NEWS)]
    assert verdict(said, NEWS) is GRANTED
    assert verdict(said, EMAIL) is WITHDRAWN
    assert verdict(said, Scope(channel="email", topic="sale")) is WITHDRAWN


def test_a_grant_of_everything_does_not_bring_back_a_topic_that_was_refused_by_name() -> None:
    assert verdict([say(DENIED, 1, NEWS), say(GRANTED, 2)], NEWS) is DENIED


def test_a_refusal_of_one_topic_leaves_the_others() -> None:
    assert verdict([say(GRANTED, 1), say(DENIED, 2, NEWS)], EMAIL) is GRANTED


def test_of_two_words_at_one_instant_the_stricter_holds() -> None:
    assert verdict([say(GRANTED, 1), say(DENIED, 1)], EMAIL) is DENIED
    assert verdict([say(DENIED, 1), say(GRANTED, 1)], EMAIL) is DENIED


def test_a_refusal_of_one_channel_says_nothing_of_another() -> None:
    assert verdict([say(DENIED, 1)], Scope(channel="sms")) is None


def test_leaving_an_address_suppresses_it_and_coming_back_lifts_that(workspace: WorkspaceInfo) -> None:
    def suppressed() -> dict[str, Any]:
        with workspace_scope(workspace.id):
            return find_suppressed(channel="email", addresses=["ann@example.test"])

    record(workspace, say(WITHDRAWN, 1))
    assert suppressed()
    record(workspace, say(GRANTED, 0))
    assert suppressed(), "an older grant that comes late changes nothing"
    record(workspace, say(GRANTED, 2, NEWS))
    assert suppressed(), "one topic is not everything"
    record(workspace, say(GRANTED, 3))
    assert not suppressed()


def test_only_what_makes_a_difference_is_news(workspace: WorkspaceInfo) -> None:
    said = (say(GRANTED, 1), say(GRANTED, 2), say(DENIED, 3), say(WITHDRAWN, 4), say(GRANTED, 1, proof={"ip": "::1"}))
    assert [[change.is_news for change in record(workspace, one)] for one in said] == [
        [True],
        [False],
        [True],
        [False],
        [],
    ]


def test_refusals_are_found_for_many_at_once(workspace: WorkspaceInfo) -> None:
    record(workspace, say(WITHDRAWN, 1), say(DENIED, 1, Scope(), who=BOB), say(DENIED, 1, Scope(ADVERTISING), who=ANN))
    contacts = [
        Contact("ann@example.test", [ANN]),
        Contact("ann2@example.test", [ANN]),
        Contact("bob@example.test", [UUID(int=9), BOB]),
    ]
    with workspace_scope(workspace.id):
        assert {place: state.status for place, state in find_refusals(EMAIL, contacts).items()} == {
            0: WITHDRAWN,
            2: DENIED,
        }
        assert [state.scope for state in list_states([("sms", "ann@example.test")], [ANN])] == [Scope(ADVERTISING)]


def test_the_ledger_can_only_be_added_to(workspace: WorkspaceInfo) -> None:
    record(workspace, say(GRANTED))
    for sql in (
        "UPDATE consent_entries SET status = 'denied'",
        "DELETE FROM consent_entries",
        "TRUNCATE consent_entries",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"), workspace_scope(workspace.id):
            connection.cursor().execute(sql)


def test_a_word_of_nobody_is_refused(workspace: WorkspaceInfo) -> None:
    with pytest.raises(ConsentInvalid):
        record(workspace, say(GRANTED, address="", who=None))
    with pytest.raises(ConsentInvalid):
        record(workspace, say(GRANTED, scope=Scope()))


def test_a_neighbor_hears_nothing(workspace: WorkspaceInfo, neighbor: WorkspaceInfo) -> None:
    record(neighbor, say(DENIED))
    assert stored(workspace) == {}
