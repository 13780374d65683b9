"""The report of a campaign: read from the ledger, clicks and orders as they are now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection

from kapelle.campaigns.queries.campaigns import get_campaign
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

MAX_LINKS = 100
_LEDGER = "FROM sends WHERE workspace_id = %(workspace)s AND source_id = %(campaign)s AND source_kind = 'campaign'"
_COUNTS = f"SELECT status, reason, count(*) {_LEDGER} GROUP BY status, reason"
_REACTIONS = f"""
SELECT count(delivered_at) FILTER (WHERE bounced_at IS NULL) AS delivered, count(bounced_at) AS bounced,
       count(opened_at) AS opened, count(machine_opened_at) AS machine_opened, count(clicked_at) AS clicked,
       count(machine_clicked_at) AS machine_clicked, count(unsubscribed_at) AS unsubscribed
{_LEDGER}
"""
_LINKS = f"""
SELECT t.url, count(*) FILTER (WHERE NOT c.is_machine) AS clicks,
       count(DISTINCT c.send_id) FILTER (WHERE NOT c.is_machine) AS "unique",
       count(*) FILTER (WHERE c.is_machine) AS machine
FROM clicks c JOIN link_targets t ON t.workspace_id = c.workspace_id AND t.number = c.number
WHERE c.workspace_id = %(workspace)s AND c.source_id = %(campaign)s
GROUP BY t.url ORDER BY "unique" DESC, clicks DESC, t.url LIMIT {MAX_LINKS}
"""
# Profiles merged since count as one person: both sides go to their winner. An order counts once, however many mails
# of the campaign its customer got. What was canceled or fully returned is no order.
_GOAL = """
WITH reached AS (
    SELECT coalesce(c.merged_into, c.id) AS person, min(s.{moment}) AS since
    FROM sends s JOIN customers c ON c.workspace_id = s.workspace_id AND c.id = s.customer_id
    WHERE s.workspace_id = %(workspace)s AND s.source_id = %(campaign)s AND s.source_kind = 'campaign'
      AND s.{moment} IS NOT NULL
    GROUP BY 1
), profiles AS (
    SELECT person, since, person AS id FROM reached
    UNION
    SELECT r.person, r.since, i.id FROM reached r
    JOIN identifiers i ON i.workspace_id = %(workspace)s AND i.customer_id = r.person AND i.is_origin
)
SELECT o.currency, count(*), count(DISTINCT p.person), sum(o.total)
FROM profiles p JOIN orders o ON o.workspace_id = %(workspace)s AND o.origin_id = p.id
WHERE o.ordered_at >= p.since AND o.ordered_at < p.since + make_interval(days => %(days)s)
  AND o.total > 0 AND lower(o.status) NOT IN ('canceled', 'cancelled', 'returned', 'refunded', 'failed')
GROUP BY o.currency ORDER BY sum(o.total) DESC
"""


def read_report(campaign_id: UUID, *, now: datetime) -> dict[str, Any]:
    """The report as schemas.Report has it; raises NotFound."""
    campaign = get_campaign(campaign_id)
    facts: dict[str, Any] = {"workspace": current_workspace(), "campaign": campaign_id, "days": campaign.goal_days}
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, facts)
        counts = cursor.fetchall()
        cursor.execute(_REACTIONS, facts)
        reactions = dict(zip((column.name for column in cursor.description), cursor.fetchone(), strict=True))
        cursor.execute(_LINKS, facts)
        names = [column.name for column in cursor.description]
        links = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    by_status = _sum(counts)
    after_click, after_send = _goal("clicked_at", facts), _goal("sent_at", facts)
    delivered = reactions["delivered"]
    return {
        "campaign_id": campaign_id,
        "state": campaign.state,
        "as_of": now,
        "recipients": sum(by_status.values()),
        "queued": sum(by_status.get(status, 0) for status in ("queued", "claimed", "handing", "deferred")),
        "sent": by_status.get("sent", 0),
        "delivered": delivered,
        "bounced": reactions["bounced"],
        "failed": by_status.get("failed", 0),
        "unknown": by_status.get("unknown", 0),
        "skipped": {reason: count for status, reason, count in counts if status == "skipped"},
        "failures": {reason: count for status, reason, count in counts if status == "failed"},
        "opened": {"human": reactions["opened"], "machine": reactions["machine_opened"]},
        "clicked": {"human": reactions["clicked"], "machine": reactions["machine_clicked"]},
        "unsubscribed": reactions["unsubscribed"],
        "rates": {
            name: round(reactions[name] / delivered, 4) if delivered > 0 else 0.0
            for name in ("opened", "clicked", "unsubscribed")
        },
        "goal_days": campaign.goal_days,
        "after_click": after_click,
        "after_send": after_send,
        "orders": after_click["orders"],
        "revenue": after_click["revenue"],
        "links": links,
    }


def _sum(counts: list[tuple[str, str, int]]) -> dict[str, int]:
    by_status: dict[str, int] = {}
    for status, _, count in counts:
        by_status[status] = by_status.get(status, 0) + count
    return by_status


def _goal(moment: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Orders within the goal's days after this column's time; `moment` is one of our own column names."""
    with connection.cursor() as cursor:
        cursor.execute(_GOAL.format(moment=moment), facts)
        rows = cursor.fetchall()
    return {
        "orders": sum(row[1] for row in rows),
        # A customer who bought in two currencies is counted in each: rare enough to live with.
        "customers": sum(row[2] for row in rows),
        "revenue": [{"currency": row[0], "amount": row[3]} for row in rows],
    }
