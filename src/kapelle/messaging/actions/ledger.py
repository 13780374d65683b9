"""The send ledger: rows are written before any provider is called, claimed with a lease, and marked before hand-over.

queued -> claimed -> handing -> (results: see recording). What is `handing` when its lease ends becomes `unknown` and
is never tried again by itself; what is only `claimed` goes back to `queued`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
from django.db import connection

from kapelle.channels.email.contracts import EMAIL, normalize_address
from kapelle.kernel.addresses import AddressInvalid
from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import current_workspace, workspace_scope
from kapelle.messaging.actions.permission import find_late_objections, find_objections
from kapelle.messaging.contracts import SendStatus
from kapelle.messaging.queries import find_addresses

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.messaging.queries import LoadedMailing

# How long rows go back to sleep when nothing was tried, because the line broke or the mailing is paused.
RETRY_SOON = timedelta(seconds=5)

_INSERT = """
INSERT INTO sends (workspace_id, mailing_id, source_kind, source_id, version, occurrence, channel, queued_at, id,
                   customer_id, address, status, reason, next_try_at, attempts, trace)
SELECT %b, %b, %b, %b, %b, %b, %b, %b, id, customer_id, address, status, reason,
       CASE WHEN status = 'queued' THEN %b::timestamptz END, 0, %b::jsonb || trace::jsonb
FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[])
     t (id, customer_id, address, status, reason, trace)
ON CONFLICT DO NOTHING
RETURNING id
"""
_CLAIM = """
UPDATE sends s SET status = 'claimed', claim_token = %s, lease_until = %s, next_try_at = NULL
FROM (SELECT id FROM sends WHERE workspace_id = %s AND mailing_id = %s AND status IN ('queued', 'deferred')
      AND next_try_at <= %s ORDER BY next_try_at LIMIT %s FOR UPDATE SKIP LOCKED) due
WHERE s.workspace_id = %s AND s.id = due.id
RETURNING s.id, s.address, s.customer_id, s.attempts, (s.trace ->> 'render_as')::uuid
"""
# Asked again at the last moment: who unsubscribed, what was paused or canceled, whose lease another sender took over.
_HAND = """
WITH mine AS (
    SELECT s.id, m.state, CASE WHEN s.id = ANY(%s::uuid[]) THEN 'consent_refused' ELSE (
        SELECT min(p.reason) FROM suppressions p
        WHERE p.workspace_id = s.workspace_id AND p.channel = s.channel AND p.address = s.address
          AND p.lifted_at IS NULL AND s.source_kind <> 'test'
          AND NOT (p.reason = 'unsubscribed' AND s.id = ANY(%s::uuid[]))
    ) END AS suppressed
    FROM sends s JOIN mailings m ON m.workspace_id = s.workspace_id AND m.id = s.mailing_id
    WHERE s.workspace_id = %s AND s.id = ANY(%s::uuid[]) AND s.claim_token = %s AND s.status = 'claimed'
    FOR UPDATE OF s
)
UPDATE sends s SET
    status = CASE WHEN mine.suppressed IS NOT NULL OR mine.state = 'canceled' THEN 'skipped'
                  WHEN mine.state <> 'running' THEN 'queued' ELSE 'handing' END,
    reason = CASE WHEN mine.suppressed IS NOT NULL THEN mine.suppressed
                  WHEN mine.state = 'canceled' THEN 'canceled' ELSE '' END,
    next_try_at = CASE WHEN mine.suppressed IS NULL AND mine.state NOT IN ('canceled', 'running')
                       THEN %s::timestamptz END,
    lease_until = CASE WHEN mine.suppressed IS NULL AND mine.state = 'running' THEN %s::timestamptz END,
    attempts = s.attempts + (mine.suppressed IS NULL AND mine.state = 'running')::int,
    trace = s.trace || jsonb_build_object('handed_at', %s::text)
FROM mine WHERE s.workspace_id = %s AND s.id = mine.id
RETURNING s.id, s.status
"""
_RECOVER = """
UPDATE sends SET
    status = CASE status WHEN 'claimed' THEN 'queued' ELSE 'unknown' END,
    reason = CASE status WHEN 'claimed' THEN '' ELSE 'sender_lost' END,
    next_try_at = CASE status WHEN 'claimed' THEN %s::timestamptz END,
    lease_until = NULL
WHERE workspace_id = %s AND status IN ('claimed', 'handing') AND lease_until < %s
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that this sender holds for now."""

    id: UUID
    address: str
    customer_id: UUID | None
    attempts: int
    render_as: UUID | None


@dataclass(frozen=True, slots=True)
class _Draft:
    """A row about to be written."""

    customer_id: UUID | None
    address: str | None
    status: SendStatus = SendStatus.QUEUED
    reason: str = ""
    trace: str = "{}"


def fill_mailing(*, mailing: LoadedMailing, customer_ids: Sequence[UUID], now: datetime) -> int:
    """Write one row for each of these customers, those with a reason not to be written to included.

    In the open scope, in one transaction; calling it again with the same customers adds nothing. Returns rows added.
    """
    usable: list[tuple[UUID, str]] = []
    drafts: list[_Draft] = []
    for customer_id, email in find_addresses(customer_ids):
        if not email:
            drafts.append(_Draft(customer_id, None, SendStatus.SKIPPED, "no_address"))
            continue
        try:
            usable.append((customer_id, normalize_address(email)))
        except AddressInvalid as error:
            drafts.append(_Draft(customer_id, None, SendStatus.SKIPPED, error.code))
    objections = find_objections(usable, mailing.topic)
    for place, (customer_id, address) in enumerate(usable):
        if objection := objections.get(place):
            trace = msgspec.json.encode(objection[1]).decode()
            drafts.append(_Draft(customer_id, address, SendStatus.SKIPPED, objection[0], trace))
        else:
            drafts.append(_Draft(customer_id, address))
    added, refused = _insert(mailing, drafts, occurrence="", now=now)
    # Refused by the address: somebody else's row holds it. Refused by the customer: this very row is there already,
    # and is refused once more.
    doubles = [
        _Draft(draft.customer_id, None, SendStatus.SKIPPED, "duplicate_address") for draft in refused if draft.address
    ]
    return added + _insert(mailing, doubles, occurrence="", now=now)[0]


def fill_test(*, mailing: LoadedMailing, addresses: Sequence[str], render_as: UUID | None, now: datetime) -> list[UUID]:
    """Write test rows: they belong to no customer and stand in no report. Raises AddressInvalid."""
    trace = msgspec.json.encode({"render_as": str(render_as)} if render_as else {}).decode()
    drafts = [_Draft(None, address, trace=trace) for address in dict.fromkeys(map(normalize_address, addresses))]
    ids = [uuid7() for _ in drafts]
    _insert(mailing, drafts, occurrence=str(uuid7()), now=now, ids=ids)
    return ids


def _insert(
    mailing: LoadedMailing, drafts: Sequence[_Draft], *, occurrence: str, now: datetime, ids: list[UUID] | None = None
) -> tuple[int, list[_Draft]]:
    """Rows added, and the drafts that were refused because a row is there already."""
    if not drafts:
        return 0, []
    ids = ids or [uuid7() for _ in drafts]
    trace = {**mailing.trace, "template_version": str(mailing.template_version_id), "checked_at": now.isoformat()}
    rows = bulk_cursor().execute(
        _INSERT,
        [
            *(mailing.workspace_id, mailing.id, mailing.source_kind, mailing.source_id, mailing.version),
            *(occurrence, EMAIL, now, now, msgspec.json.encode(trace).decode()),
            ids,
            [draft.customer_id for draft in drafts],
            [draft.address for draft in drafts],
            [draft.status.value for draft in drafts],
            [draft.reason for draft in drafts],
            [draft.trace for draft in drafts],
        ],
        binary=True,
    )
    added = {row[0] for row in rows}
    return len(added), [draft for row_id, draft in zip(ids, drafts, strict=True) if row_id not in added]


def claim_sends(
    *, workspace_id: UUID, mailing_id: UUID, limit: int, token: UUID, now: datetime, lease: timedelta
) -> list[Claimed]:
    """Take up to `limit` due rows of a mailing, past what other senders are taking."""
    with workspace_scope(workspace_id), connection.cursor() as cursor:
        cursor.execute(_CLAIM, [token, now + lease, workspace_id, mailing_id, now, limit, workspace_id])
        return [Claimed(*row) for row in cursor.fetchall()]


def begin_handing(
    *, workspace_id: UUID, ids: Sequence[UUID], token: UUID, now: datetime, lease: timedelta
) -> set[UUID]:
    """Mark the rows that may really go out now; durable when it returns. The others are skipped or queued again."""
    with workspace_scope(workspace_id), connection.cursor() as cursor:
        refused, allowed = find_late_objections(ids)
        cursor.execute(
            _HAND,
            [
                refused,
                allowed,
                workspace_id,
                list(ids),
                token,
                now + RETRY_SOON,
                now + lease,
                now.isoformat(),
                workspace_id,
            ],
        )
        return {row[0] for row in cursor.fetchall() if row[1] == SendStatus.HANDING}


def recover_leases(*, now: datetime) -> int:
    """In the open scope: free what a dead sender held; what it may have handed over becomes unknown."""
    with connection.cursor() as cursor:
        cursor.execute(_RECOVER, [now, current_workspace(), now])
        return int(cursor.rowcount)
