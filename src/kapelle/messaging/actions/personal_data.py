"""What messaging keeps about people: the send ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection

from kapelle.privacy.actions import change_rows, stream_rows
from kapelle.privacy.contracts import NotYet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from kapelle.privacy.contracts import Subject

# Rows of the person, and test mails to an address of theirs. Each half has an index.
_MINE = """
SELECT id FROM sends WHERE workspace_id = %(workspace)s AND customer_id = ANY(%(origins)s::uuid[])
UNION
SELECT s.id FROM unnest(%(channels)s::text[], %(addresses)s::text[]) a (channel, address)
JOIN sends s ON s.workspace_id = %(workspace)s AND s.customer_id IS NULL AND s.address = a.address
            AND s.channel = a.channel
"""
_ERASE = f"""
UPDATE sends SET address = NULL, customer_id = NULL, trace = '{{}}',
    reason = CASE WHEN status IN ('queued', 'deferred', 'claimed') THEN 'erased' ELSE reason END,
    status = CASE WHEN status IN ('queued', 'deferred', 'claimed') THEN 'skipped' ELSE status END,
    next_try_at = NULL, claim_token = NULL, lease_until = NULL
WHERE workspace_id = %(workspace)s AND status <> 'handing' AND id IN ({_MINE} LIMIT 1000)
"""
_CLICKS = f"workspace_id = %(workspace)s AND send_id IN ({_MINE})"


class SendData:
    """Of each send the figures stay (that a mail of this campaign went out, was opened, was clicked) and nothing that
    says to whom. A mail that is just being handed over is waited for."""

    name = "sends"
    tables = frozenset({"sends"})

    def export(self, subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
        values = _values(subject)
        for row in stream_rows("sends", f"workspace_id = %(workspace)s AND id IN ({_MINE})", values, hidden=_HIDDEN):
            yield "sends", row
        for row in stream_rows("clicks", _CLICKS, values, "id, send_id, number, at, is_machine"):
            yield "clicks", row

    def erase(self, subject: Subject, now: datetime) -> dict[str, int]:
        values = _values(subject)
        if changed := change_rows("sends", _ERASE, values):
            return changed
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT EXISTS ({_MINE})", values)
            if cursor.fetchone()[0]:
                raise NotYet("A mail to this person is being handed over at this moment.")
        return {}


_HIDDEN = frozenset({"workspace_id", "claim_token", "lease_until"})


def _values(subject: Subject) -> dict[str, Any]:
    return {
        "workspace": subject.workspace_id,
        "origins": list(subject.origin_ids),
        "channels": [channel for channel, _ in subject.contacts],
        "addresses": [address for _, address in subject.contacts],
    }
