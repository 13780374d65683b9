"""Opens and clicks that the edge collected: whose they are, machine or human, and what they change in the ledger."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any
from uuid import UUID

from kapelle.customers.actions.contact_points import confirm_contacts
from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.ids import uuid7
from kapelle.messaging.contracts import BURST_LINKS, BURST_SECONDS, EMAIL_CLICKED, EMAIL_OPENED, is_machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.utils import CursorWrapper

    from kapelle.events.contracts import Event, OpenBatch

RECEIPT = "receipt"
_CLICK = "click"

_OWNERS = """
SELECT s.id, s.customer_id, s.source_id, coalesce(c.merged_into, c.id)
FROM sends s JOIN customers c ON c.workspace_id = s.workspace_id AND c.id = s.customer_id
WHERE s.workspace_id = %b AND s.id = ANY(%b::uuid[])
"""
_NOBODYS = "SELECT id FROM sends WHERE workspace_id = %b AND id = ANY(%b::uuid[]) AND customer_id IS NULL"
_URLS = "SELECT number, url FROM link_targets WHERE workspace_id = %b AND number = ANY(%b::int4[])"
_NEAR = """
SELECT send_id, number, at FROM clicks WHERE workspace_id = %b AND send_id = ANY(%b::uuid[])
"""
_ADD_CLICKS = """
INSERT INTO clicks (workspace_id, id, source_id, send_id, number, at, is_machine)
SELECT %b, * FROM unnest(%b::uuid[], %b::uuid[], %b::uuid[], %b::int4[], %b::timestamptz[], %b::bool[])
ON CONFLICT DO NOTHING
"""
# Three links within a second are a scanner: what it clicked before it was found out becomes a machine's too.
_UNMASK = """
UPDATE clicks c SET is_machine = true
FROM unnest(%b::uuid[], %b::timestamptz[]) b (send_id, at)
WHERE c.workspace_id = %b AND c.send_id = b.send_id AND NOT c.is_machine
  AND c.at BETWEEN b.at - make_interval(secs => %b) AND b.at + make_interval(secs => %b)
"""
_OPENED = """
UPDATE sends s SET opened_at = coalesce(s.opened_at, r.human),
    machine_opened_at = coalesce(s.machine_opened_at, r.machine)
FROM (SELECT id, min(at) FILTER (WHERE NOT is_machine) AS human, min(at) FILTER (WHERE is_machine) AS machine
      FROM unnest(%b::uuid[], %b::timestamptz[], %b::bool[]) t (id, at, is_machine) GROUP BY id) r
WHERE s.workspace_id = %b AND s.id = r.id
"""
# Who clicked has seen the mail, images or not.
_CLICKED = """
UPDATE sends s SET clicked_at = r.human, machine_clicked_at = r.machine, opened_at = coalesce(s.opened_at, r.human)
FROM (SELECT send_id, min(at) FILTER (WHERE NOT is_machine) AS human, min(at) FILTER (WHERE is_machine) AS machine
      FROM clicks WHERE workspace_id = %b AND send_id = ANY(%b::uuid[]) GROUP BY send_id) r
WHERE s.workspace_id = %b AND s.id = r.send_id
"""


_CONFIRMED_BY = "click"  # who clicks in a mail reads what comes to its address
_READ_BY_PEOPLE = """
SELECT channel, address, clicked_at FROM sends
WHERE workspace_id = %b AND id = ANY(%b::uuid[]) AND clicked_at IS NOT NULL AND address IS NOT NULL
"""


class ReceiptResolver:
    """Finds whose mail was opened or clicked, and names the event."""

    kinds = frozenset({RECEIPT})

    def resolve(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> None:
        """See events.contracts.Resolver."""
        sends = {send_id for event in events if (send_id := _send_id(event))}
        numbers = {int(event.properties.get("link", 0)) for event in events}
        own = bulk_cursor()
        owners = {row[0]: row[1:] for row in own.execute(_OWNERS, [batch.workspace_id, list(sends)])}
        urls = dict(own.execute(_URLS, [batch.workspace_id, list(numbers)]).fetchall())
        for event in events:
            owner = owners.get(_send_id(event))
            if owner is None:
                continue
            event.origin_id, source_id, event.customer_id = owner
            number = int(event.properties.get("link", 0))
            machine = is_machine(*_agent(event))
            event.properties = {**event.properties, "campaign_id": str(source_id), "machine": machine}
            if event.name == _CLICK:
                event.name = EMAIL_CLICKED
                event.properties["url"] = urls.get(number, "")
            else:
                event.name = EMAIL_OPENED


class ReceiptGate:
    """Holds back what became of tests, and of mails whose reader was erased meanwhile: nobody is left to tell it of."""

    name = "nobodys_receipt"
    is_early = True

    def admit(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> Sequence[Event]:
        """See events.contracts.Gate."""
        sends = {_send_id(event) for event in events if event.kind == RECEIPT} - {None}
        if not sends:
            return events
        nobodys = {row[0] for row in bulk_cursor().execute(_NOBODYS, [batch.workspace_id, list(sends)])}
        return [event for event in events if event.kind != RECEIPT or _send_id(event) not in nobodys]


class ReceiptProjection:
    """Writes opens and clicks into the ledger."""

    name = "receipts"

    def apply(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> None:
        """See events.contracts.Projection."""
        opens = [event for event in events if event.kind == RECEIPT and event.name == EMAIL_OPENED]
        clicks = [event for event in events if event.kind == RECEIPT and event.name == EMAIL_CLICKED]
        if opens:
            bulk_cursor().execute(
                _OPENED,
                [
                    [_send_id(event) for event in opens],
                    [event.occurred_at for event in opens],
                    [bool(event.properties["machine"]) for event in opens],
                    batch.workspace_id,
                ],
            )
        if clicks:
            self._clicked(batch, clicks)

    def _clicked(self, batch: OpenBatch, clicks: Sequence[Event]) -> None:
        own = bulk_cursor()
        sends = list({_send_id(event) for event in clicks})
        own.execute(
            _ADD_CLICKS,
            [
                batch.workspace_id,
                [uuid7() for _ in clicks],
                [UUID(event.properties["campaign_id"]) for event in clicks],
                [_send_id(event) for event in clicks],
                [int(event.properties["link"]) for event in clicks],
                [event.occurred_at for event in clicks],
                [bool(event.properties["machine"]) for event in clicks],
            ],
        )
        hits = own.execute(_NEAR, [batch.workspace_id, sends]).fetchall()
        if bursts := _bursts(hits):
            parameters = [[send_id for send_id, _ in bursts], [at for _, at in bursts]]
            own.execute(_UNMASK, [*parameters, batch.workspace_id, BURST_SECONDS, BURST_SECONDS])
        own.execute(_CLICKED, [batch.workspace_id, sends, batch.workspace_id])
        read = own.execute(_READ_BY_PEOPLE, [batch.workspace_id, sends]).fetchall()
        confirm_contacts(batch.workspace_id, [(*row, _CONFIRMED_BY) for row in read])


def _bursts(hits: Sequence[tuple[Any, ...]]) -> list[tuple[UUID, Any]]:
    """(send, moment) around which too many different links of one mail were hit at once."""
    by_send: dict[UUID, list[tuple[Any, int]]] = defaultdict(list)
    for send_id, number, at in hits:
        by_send[send_id].append((at, number))
    return [
        (send_id, at)
        for send_id, listed in by_send.items()
        for at, _ in listed
        if len({number for other, number in listed if abs((other - at).total_seconds()) <= BURST_SECONDS})
        >= BURST_LINKS
    ]


def _send_id(event: Event) -> UUID | None:
    try:
        return UUID(str(event.properties.get("send_id", "")))
    except ValueError:
        return None


def _agent(event: Event) -> tuple[str, str]:
    return str(event.context.get("user_agent", "")), str(event.context.get("method", "GET"))
