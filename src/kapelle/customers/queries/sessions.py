"""Reads of sessions: a customer's visits, and what they come to together.

Sessions are kept by origin. Who logs in during a visit goes on under another origin: the parts are joined here, so that
a merge or its undoing changes no row.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from kapelle.accounts.queries import get_workspace_by_id
from kapelle.customers.contracts import Activity, SessionInfo
from kapelle.customers.queries.lookups import origins_of, resolve_customer
from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.pagination import cut_page, decode_cursor
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ROWS = 5_000  # parts of visits that are looked at for one page

_FIRST = ("referrer", "source", "channel", "utm_source", "utm_medium", "utm_campaign", "click_id", "country", "city",
          "device_type", "os", "browser")  # fmt: skip
_SAME_WAY = "(utm_source, utm_medium, utm_campaign, click_id)"
# A part opens a visit if its device was silent for longer than the limit, or another campaign brought the visitor.
_VISITS = f"""
WITH parts AS (
    SELECT * FROM sessions WHERE workspace_id = %b AND origin_id = ANY(%b::uuid[]) {{conditions}}
    ORDER BY started_at DESC, id DESC LIMIT %b
), marked AS (
    SELECT *, coalesce(started_at - max(ended_at) OVER before > %b
        OR ({_SAME_WAY} <> ('', '', '', '') AND {_SAME_WAY} <> lag({_SAME_WAY}) OVER w), true) AS opens
    FROM parts WINDOW w AS (PARTITION BY device ORDER BY started_at, id),
        before AS (PARTITION BY device ORDER BY started_at, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), numbered AS (
    SELECT *, count(*) FILTER (WHERE opens) OVER (PARTITION BY device ORDER BY started_at, id) AS number FROM marked
), visits AS (
    SELECT (array_agg(id ORDER BY started_at, id))[1] AS id, min(started_at) AS started_at, max(ended_at) AS ended_at,
        sum(events)::int AS events, sum(pages)::int AS pages,
        extract(epoch FROM max(ended_at) - min(started_at))::int AS seconds,
        coalesce((array_agg(first_url ORDER BY started_at, id) FILTER (WHERE first_url <> ''))[1], '') AS first_url,
        coalesce((array_agg(last_url ORDER BY started_at DESC, id) FILTER (WHERE last_url <> ''))[1], '') AS last_url,
        bool_or(is_logged_in) AS is_logged_in, device,
        {", ".join(f"(array_agg({name} ORDER BY started_at, id))[1] AS {name}" for name in _FIRST)}
    FROM numbered GROUP BY device, number
)
"""
_PAGE = f"""{_VISITS}
SELECT id, device, started_at, ended_at, seconds, events, pages, first_url, last_url, is_logged_in, {", ".join(_FIRST)}
FROM visits ORDER BY started_at DESC, id DESC LIMIT %b
"""
_TOTALS = f"""{_VISITS}
SELECT count(*), coalesce(sum(seconds), 0)::int, coalesce(sum(pages), 0)::int, min(started_at), max(ended_at),
    coalesce((SELECT is_logged_in FROM visits ORDER BY ended_at DESC, id DESC LIMIT 1), false),
    {", ".join(f"coalesce((array_agg({name} ORDER BY started_at, id))[1], '')" for name in ("first_url", *_FIRST[:7]))}
FROM visits
"""


def list_sessions(
    customer_id: UUID, cursor: str | None, limit: int, now: datetime
) -> tuple[list[SessionInfo], str | None]:
    """A page of the customer's visits, newest first, and the cursor to the next; raises NotFound."""
    idle = get_workspace_by_id(current_workspace()).session_idle
    before = decode_cursor(cursor, datetime, UUID) if cursor else []
    rows = _run(_PAGE, customer_id, before, MAX_ROWS, idle, limit + 1)
    page, following = cut_page(rows, limit, lambda row: (row[2], row[0]))
    return [SessionInfo(row[0], now - row[3] > idle, *row[1:]) for row in page], following


def get_activity(customer_id: UUID) -> Activity:
    """How often and how long the customer was there, and how they came first; raises NotFound."""
    (totals,) = _run(_TOTALS, customer_id, [], None, get_workspace_by_id(current_workspace()).session_idle)
    return Activity(**dict(zip((field.name for field in fields(Activity)), totals, strict=True)))


def _run(sql: str, customer_id: UUID, before: Sequence[Any], *rest: Any) -> list[tuple[Any, ...]]:
    """`before`: start and id of the visit that the page before ended with; what belongs to it began no earlier."""
    origins = origins_of(resolve_customer(customer_id))
    sql = sql.format(conditions="AND (started_at, id) < (%b, %b)" if before else "")
    return bulk_cursor().execute(sql, [current_workspace(), origins, *before, *rest], binary=True).fetchall()
