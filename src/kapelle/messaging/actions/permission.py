"""Who may be written to: suppression and consent, asked when the ledger is filled and again before handing over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.channels.email.contracts import EMAIL
from kapelle.customers.queries.contacts import map_origins
from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.tenancy import current_workspace
from kapelle.privacy.contracts import ConsentState, Scope, SuppressionReason
from kapelle.privacy.queries import Contact, find_suppressed, find_verdicts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

REFUSED = "consent_refused"

_WAITING = """
SELECT s.id, coalesce(c.merged_into, c.id), s.address, m.topic
FROM sends s JOIN mailings m ON m.workspace_id = s.workspace_id AND m.id = s.mailing_id
JOIN customers c ON c.workspace_id = s.workspace_id AND c.id = s.customer_id
WHERE s.workspace_id = %b AND s.id = ANY(%b::uuid[]) AND s.source_kind <> 'test'
"""


def find_objections(recipients: Sequence[tuple[UUID, str]], topic: str) -> dict[int, tuple[str, dict[str, Any]]]:
    """By place in `recipients` (customer, address): the reason not to write, and the consent that it rests on.

    Without a topic everything that suppresses an address counts. With one, who left everything and then took the topic
    gets it; bounces and complaints hold in any case.
    """
    suppressed = find_suppressed(channel=EMAIL, addresses=[address for _, address in recipients])
    origins = map_origins({customer_id for customer_id, _ in recipients})
    contacts = [Contact(address, origins[customer_id]) for customer_id, address in recipients]
    verdicts = find_verdicts(Scope(channel=EMAIL, topic=topic), contacts)
    found: dict[int, tuple[str, dict[str, Any]]] = {}
    for place, (_, address) in enumerate(recipients):
        reason, verdict = suppressed.get(address), verdicts.get(place)
        is_allowed = verdict is not None and not verdict.status.is_refusal
        if reason is not None and not (reason is SuppressionReason.UNSUBSCRIBED and topic and is_allowed):
            found[place] = reason.value, _shown(verdict)
        elif verdict is not None and verdict.status.is_refusal:
            found[place] = REFUSED, _shown(verdict)
    return found


def find_late_objections(send_ids: Sequence[UUID]) -> tuple[list[UUID], list[UUID]]:
    """Of these waiting sends: those that consent forbids now, and those that it allows although the address is
    unsubscribed from everything else. In the open scope."""
    rows = bulk_cursor().execute(_WAITING, [current_workspace(), list(send_ids)], binary=True).fetchall()
    refused: list[UUID] = []
    allowed: list[UUID] = []
    for topic in {row[3] for row in rows}:
        own = [row for row in rows if row[3] == topic and row[2]]
        objections = find_objections([(row[1], row[2]) for row in own], topic)
        refused += [own[place][0] for place, (reason, _) in objections.items() if reason == REFUSED]
        allowed += [row[0] for place, row in enumerate(own) if topic and place not in objections]
    return refused, allowed


def _shown(verdict: ConsentState | None) -> dict[str, Any]:
    """What the trace keeps of the consent."""
    if verdict is None:
        return {}
    told = {**verdict.scope._asdict(), "status": verdict.status.value, "source": verdict.source}
    return {"consent": {**told, "since": verdict.happened_at.isoformat()}}
