"""Writes the ledger of consent, and the state and suppressions that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.actions.suppressed_rows import add_suppressions, forget_refusals, lift_suppressions
from kapelle.privacy.contracts import MARKETING, ConsentState, Holder, Scope, Status, SuppressionReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.privacy.contracts import Statement

# The winner among the new lines meets the winner so far; what stood before tells whether anything changed for people.
_RECORD = """
WITH said AS (
    SELECT * FROM jsonb_to_recordset(%(said)b::jsonb) s (
        id uuid, origin_id uuid, holder uuid, address text, purpose text, channel text, topic text, brand text,
        status text, strictness smallint, happened_at timestamptz, source text, proof jsonb, digest text
    )
), added AS (
    INSERT INTO consent_entries (workspace_id, id, origin_id, address, purpose, channel, topic, brand, status,
                                 happened_at, recorded_at, source, proof, digest)
    SELECT %(workspace)b, id, origin_id, address, purpose, channel, topic, brand, status,
           happened_at, %(now)b, source, proof, decode(digest, 'hex')
    FROM said ON CONFLICT (workspace_id, digest) DO NOTHING
    RETURNING id
), newest AS (
    SELECT DISTINCT ON (address, holder, purpose, channel, topic, brand) *, decode(digest, 'hex') AS key
    FROM said WHERE id IN (SELECT id FROM added)
    ORDER BY address, holder, purpose, channel, topic, brand, happened_at DESC, strictness DESC, digest DESC
), won AS (
    INSERT INTO consent_states AS s (workspace_id, id, origin_id, address, purpose, channel, topic, brand, status,
                                     is_refusal, happened_at, source, strictness, digest)
    SELECT %(workspace)b, id, holder, address, purpose, channel, topic, brand, status,
           strictness > 0, happened_at, source, strictness, key
    FROM newest
    ON CONFLICT (workspace_id, address, origin_id, purpose, channel, topic, brand) DO UPDATE
    SET status = excluded.status, is_refusal = excluded.is_refusal, happened_at = excluded.happened_at,
        source = excluded.source, strictness = excluded.strictness, digest = excluded.digest
    WHERE (excluded.happened_at, excluded.strictness, excluded.digest) > (s.happened_at, s.strictness, s.digest)
    RETURNING s.*
)
SELECT won.origin_id, won.address, won.purpose, won.channel, won.topic, won.brand, won.status, won.happened_at,
       won.source, newest.origin_id, before.status, newest.id
FROM won
JOIN newest ON newest.key = won.digest
LEFT JOIN consent_states before ON before.id = won.id
"""


@dataclass(frozen=True, slots=True)
class ConsentChange:
    """A state that is another one now. `before` None: nothing was said yet. `origin_id` is who said it, if known."""

    state: ConsentState
    origin_id: UUID | None
    before: Status | None
    entry_id: UUID  # the ledger's line

    @property
    def is_news(self) -> bool:
        """Whether it makes a difference: not the same answer given again later."""
        return self.before is None or self.before.is_refusal != self.state.status.is_refusal


def record_consents(*, workspace_id: UUID, statements: Iterable[Statement], now: datetime) -> list[ConsentChange]:
    """Add these lines to the ledger; returns the states that changed. Saying it again adds and changes nothing.

    A line that is older than what holds is kept as proof and changes no state. Raises ConsentInvalid.
    """
    rows = [_row(statement.checked()) for statement in statements]
    if not rows:
        return []
    values = {"workspace": workspace_id, "now": now, "said": msgspec.json.encode(rows, enc_hook=str).decode()}
    with workspace_scope(workspace_id):
        changes = [_change(row) for row in bulk_cursor().execute(_RECORD, values, binary=True).fetchall()]
        _follow(workspace_id, changes, now)
    return changes


def _row(statement: Statement) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "origin_id": statement.origin_id,
        "holder": statement.holder.origin_id,
        "address": statement.address,
        **statement.scope._asdict(),
        "status": statement.status,
        "strictness": statement.status.strictness,
        "happened_at": statement.happened_at,
        "source": statement.source,
        "proof": statement.proof,
        "digest": statement.digest.hex(),
    }


def _change(row: tuple[Any, ...]) -> ConsentChange:
    holder, address, purpose, channel, topic, brand, status, happened_at, source, origin_id, before, entry_id = row
    scope = Scope(purpose, channel, topic, brand)
    state = ConsentState(Holder(holder, address), scope, Status(status), happened_at, source)
    return ConsentChange(state, origin_id, Status(before) if before else None, entry_id)


def _follow(workspace_id: UUID, changes: Sequence[ConsentChange], now: datetime) -> None:
    """Marketing on an address as a whole is what sends join on: keep it beside bounces and complaints."""
    whole = [
        change.state
        for change in changes
        if change.state.holder.address and change.state.scope == Scope(MARKETING, change.state.scope.channel)
    ]
    refused = [state for state in whole if state.status.is_refusal]
    granted = [state for state in whole if not state.status.is_refusal]
    rows = [(state.scope.channel, state.holder.address, state.source) for state in refused]
    add_suppressions(workspace_id, rows, SuppressionReason.UNSUBSCRIBED, now)
    back = [(state.scope.channel, state.holder.address) for state in granted]
    lift_suppressions(workspace_id, back, now)
    forget_refusals(workspace_id, back)
