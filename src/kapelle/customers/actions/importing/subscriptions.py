"""Columns of consent in files of customers: from cells to statements, and which of these are news.

A file is told in the name of people, often long after. So it never takes a refusal back, unless it says when the
people changed their minds: an old list must not subscribe those who have left it. The refusal of somebody who was
erased has no time any more: no file takes it back.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from kapelle.customers.actions.consents.reading import read_status
from kapelle.customers.actions.importing.drafts import CONSENTED_AT, CONSENTS, cell_of, column_of, converter
from kapelle.customers.queries.contacts import KIND_OF, as_contacts, find_main_contacts
from kapelle.imports.actions.values import parse_boolean
from kapelle.imports.contracts import MappingInvalid, RowRejected
from kapelle.privacy.contracts import MARKETING, ConsentState, Holder, Scope, Statement, Status, judge
from kapelle.privacy.contracts.consent import MAX_WORD
from kapelle.privacy.queries.consents import read_states
from kapelle.privacy.queries.tombstones import find_erased_suppressions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from kapelle.customers.actions.importing.drafts import CustomerDraft
    from kapelle.imports.contracts import ImportContext

_PREFIX = CONSENTS.name.removesuffix("*")


class News(NamedTuple):
    """A consent that differs from what holds."""

    place: int  # of the draft
    statement: Statement
    before: Status | None

    @property
    def field(self) -> str:
        scope = self.statement.scope
        return _PREFIX + ".".join(filter(None, (scope.channel, scope.topic)))


class Outlook(NamedTuple):
    """What a chunk's consents come to."""

    news: list[News]
    late: list[Statement]  # older than what holds: kept as proof, they change nothing
    refusals_kept: int  # grants that a refusal outweighs


def consent_reader(context: ImportContext, columns: dict[str, int]) -> Callable[[list[str], CustomerDraft], None]:
    """A function that adds to a draft what its row says of consent. Raises MappingInvalid, and RowRejected by rows."""
    named = sorted((at, name) for name, at in columns.items() if name.startswith(_PREFIX))
    wanted = [(_scope(name), at) for at, name in named]
    moment = columns.get(CONSENTED_AT.name)
    when = converter(context, column_of(context, CONSENTED_AT.name), CONSENTED_AT.type) if moment is not None else None

    def read(cells: list[str], draft: CustomerDraft) -> None:
        for scope, at in wanted:
            if text := cell_of(cells, at):
                draft.consents[scope] = _status(text)
        if when and moment is not None and (text := cell_of(cells, moment)):
            draft.consented_at = when(text)
            if draft.consented_at > context.now:
                raise RowRejected("consent_in_future", f"nobody can have consented at {text!r}: it is yet to come")

    return read


def weigh_consents(
    context: ImportContext, drafts: Sequence[CustomerDraft], whose: Sequence[tuple[UUID, UUID] | None]
) -> Outlook:
    """Which of the drafts' consents are news. `whose`: by place the origin and the customer, None where nobody is
    known yet. In the open scope, set-wise."""
    said = _statements(context, drafts, whose)
    states = read_states(
        {one.address for _, one in said if one.address}, {one.origin_id for _, one in said if one.origin_id}
    )
    by_holder: dict[Holder, dict[Scope, ConsentState]] = defaultdict(dict)
    for state in states:
        by_holder[state.holder][state.scope] = state
    erased = find_erased_suppressions((one.scope.channel, one.address) for _, one in said if one.address)
    news, late, kept = [], [], 0
    for place, one in sorted(said, key=lambda pair: pair[1].order[:2]):
        holding = by_holder[one.holder]
        known, verdict = holding.get(one.scope), judge(holding.values(), one.scope)
        is_refused = verdict is not None and verdict.status.is_refusal and drafts[place].consented_at is None
        if not one.status.is_refusal and (is_refused or (one.scope.channel, one.address) in erased):
            kept += 1
        elif known and one.happened_at < known.happened_at:
            late.append(one)
        elif known is None or known.status.is_refusal != one.status.is_refusal:
            news.append(News(place, one, known.status if known else None))
            holding[one.scope] = ConsentState(one.holder, one.scope, one.status, one.happened_at, one.source)
    return Outlook(news, late, kept)


def _statements(
    context: ImportContext, drafts: Sequence[CustomerDraft], whose: Sequence[tuple[UUID, UUID] | None]
) -> list[tuple[int, Statement]]:
    speaking = [(place, draft) for place, draft in enumerate(drafts) if draft.consents]
    if not speaking:
        return []
    main = find_main_contacts({pair[1] for place, _ in speaking if (pair := whose[place])})
    facts = {"lawful_basis": context.lawful_basis, "origin": context.origin}
    proof = {name: fact for name, fact in facts.items() if fact}
    said = []
    for place, draft in speaking:
        origin, customer = whose[place] or (None, None)
        own = dict(reversed(as_contacts(draft.identifiers)))
        contacts = {**(main.get(customer, {}) if customer else {}), **own}
        for scope, status in draft.consents.items():
            address = contacts.get(scope.channel, "")
            if address or origin:
                when = draft.consented_at or draft.as_of
                said.append((place, Statement(status, when, context.source, scope, origin, address, proof)))
    return said


def _scope(target: str) -> Scope:
    channel, _, topic = target.removeprefix(_PREFIX).partition(".")
    if channel not in KIND_OF or len(topic) > MAX_WORD or (target.endswith(".")):
        raise MappingInvalid(
            f"{target!r} is no subscription: consent.CHANNEL or consent.CHANNEL.TOPIC, where the channel is"
            f" {' or '.join(KIND_OF)}.",
            fields=[target],
        )
    return Scope(MARKETING, channel, topic)


def _status(text: str) -> Status:
    if known := read_status(text):
        return known
    try:
        return Status.GRANTED if parse_boolean(text) else Status.DENIED
    except RowRejected as error:
        raise RowRejected("not_a_consent", f"{text!r} is neither subscribed nor unsubscribed, yes nor no") from error
