"""Reads of the send ledger."""

from __future__ import annotations

from dataclasses import dataclass, fields
from uuid import UUID

from kapelle.kernel.errors import Invalid
from kapelle.kernel.pagination import clamp_limit, cut_page, decode_cursor
from kapelle.messaging.contracts import Send, SendStatus
from kapelle.messaging.models import SendRow

_COLUMNS = [field.name for field in fields(Send)]


@dataclass(frozen=True, slots=True)
class PublicSend:
    """What the pages behind a mail's signed links need."""

    id: UUID
    mailing_id: UUID
    source_id: UUID
    customer_id: UUID | None
    render_as: UUID | None  # whose facts fill the mail: the customer, or whom a test was rendered for
    channel: str
    address: str


def list_sends(
    *, campaign_id: UUID | None, status: str | None, cursor: str | None, limit: int | None
) -> tuple[list[Send], str | None]:
    """A page of the ledger, oldest first, and the cursor to the next one. Test sends are listed too."""
    rows = SendRow.objects.order_by("id")
    if campaign_id is not None:
        rows = rows.filter(source_id=campaign_id)
    if status is not None:
        if status not in list(SendStatus):
            raise Invalid(f"There is no status {status!r}. The statuses are {', '.join(SendStatus)}.")
        rows = rows.filter(status=status)
    if cursor:
        (after,) = decode_cursor(cursor, UUID)
        rows = rows.filter(id__gt=after)
    size = clamp_limit(limit)
    found = [Send(**row) for row in rows.values(*_COLUMNS)[: size + 1]]
    return cut_page(found, size, lambda send: [send.id])


def find_send(send_id: UUID) -> PublicSend | None:
    """In the open scope; None when it is not there or has no address."""
    row = SendRow.objects.filter(id=send_id).exclude(address=None).first()
    if row is None or row.address is None:
        return None
    shown_as = row.trace.get("render_as")
    return PublicSend(
        id=row.id,
        mailing_id=row.mailing_id,
        source_id=row.source_id,
        customer_id=row.customer_id,
        render_as=row.customer_id or (UUID(shown_as) if shown_as else None),
        channel=row.channel,
        address=row.address,
    )
