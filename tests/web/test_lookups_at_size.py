"""The look-ups that people wait for read a handful of rows, however many there are: counted by PostgreSQL itself.

They run as the app role, under row-level security, which is what keeps PostgreSQL from using some indexes.
"""

from __future__ import annotations

import itertools
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from django.db import connection

from conftest import NOW, database_role, make_workspace
from kapelle.catalog.queries.orders import OrderFilter, list_orders
from kapelle.customers.actions.deciding import merge_by_hand, unmerge
from kapelle.customers.contracts import EMAIL
from kapelle.customers.models import Customer, IdentityBarrier, IdentityReview
from kapelle.customers.queries import find_customer, get_customer, list_merges, list_timeline
from kapelle.kernel.tenancy import workspace_scope
from kapelle.web.subscriptions import PROJECTIONS, RESOLVERS
from road import Road, identify, track

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    import psycopg

RowsRead: TypeAlias = "Callable[..., int]"
CUSTOMERS, ORDERS, A_REQUEST = 6_000, 3_000, 500
BUSY, BUSY_EVENTS = "u7", 2_000
_PAGE = 20
# Some thousands of rows are soon sorted: ask for the plan that millions of them would get, if there is one.
_AS_IF_LARGE = "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off"
_READ = """
SELECT relname, coalesce(seq_tup_read, 0), coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables
WHERE relname ~ '^(customers|identifiers|identity_.*|merge_journal|events_\\d+|orders|order_lines)$'
"""


@pytest.fixture(scope="module")
def shop(database: str) -> Iterator[UUID]:
    """A workspace with some thousands of customers, orders and events."""
    workspace = make_workspace(NOW)
    road = Road(database, workspace.id, NOW)
    messages = [
        identify(f"i{n}", user=f"u{n}", traits={"email": f"u{n}@example.test", "city": "Bonn"})
        for n in range(CUSTOMERS)
    ]
    messages += [track(f"e{n}", user=BUSY, at=NOW - timedelta(minutes=n)) for n in range(BUSY_EVENTS)]
    messages += [track(f"o{n}", user=f"u{n}", event="Order Completed", properties=_order(n)) for n in range(ORDERS)]
    for start in range(0, len(messages), A_REQUEST):
        road.send(*messages[start : start + A_REQUEST])
    with database_role("kapelle_projector"):
        road.project(RESOLVERS, PROJECTIONS)
    return workspace.id


def _order(number: int) -> dict[str, Any]:
    return {
        "order_id": f"{number}-{secrets.token_hex(2)}",
        "total": 5,
        "products": [{"product_id": "p", "quantity": 1}],
    }


@pytest.fixture
def rows_read(shop: UUID, owner: psycopg.Connection[Any]) -> RowsRead:
    """Runs a look-up in the shop's scope; gives how many rows PostgreSQL has read for it, by whatever plan."""
    owner.execute("ANALYZE customers, identifiers, identity_reviews, identity_barriers, events, orders, order_lines")

    def count(look_up: Callable[[], object], *, as_if_large: bool = False) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")  # what this connection read before is not the look-up's
        before = {name: (whole, some) for name, whole, some in owner.execute(_READ)}
        with workspace_scope(shop), connection.cursor() as cursor:
            if as_if_large:
                cursor.execute(_AS_IF_LARGE)
            look_up()
            cursor.execute("SELECT pg_stat_force_next_flush()")
        after = owner.execute(_READ).fetchall()
        assert after, "nothing is counted"
        return sum(whole + some - sum(before.get(name, (0, 0))) for name, whole, some in after)

    return count


def _customer() -> UUID:
    found = find_customer(("user_id", BUSY))
    assert found is not None
    return found


def test_a_profile_by_identifier(rows_read: RowsRead) -> None:
    assert 0 < rows_read(lambda: get_customer(_customer())) < 20
    assert rows_read(lambda: find_customer(("email", "nobody@example.test"))) == 0


def test_a_page_of_a_long_timeline(rows_read: RowsRead) -> None:
    pages: list[str | None] = [None]
    assert (
        _PAGE
        <= rows_read(lambda: pages.append(list_timeline(_customer(), None, _PAGE)[1]), as_if_large=True)
        < 3 * _PAGE
    )
    assert rows_read(lambda: list_timeline(_customer(), pages[-1], _PAGE), as_if_large=True) < 3 * _PAGE


@pytest.fixture
def contradictions(shop: UUID) -> None:
    """Thousands of customers who were taken apart, and as many who wait for somebody to look."""
    with workspace_scope(shop):
        ids = list(Customer.objects.filter(merged_into=None).order_by("id").values_list("id", flat=True))
        pairs = list(itertools.pairwise(ids))
        IdentityBarrier.objects.bulk_create(
            IdentityBarrier(left_id=left, right_id=right, reason="", actor="", at=NOW) for left, right in pairs
        )
        seen = {"message_id": "m", "times": 1, "first_seen_at": NOW, "last_seen_at": NOW}
        IdentityReview.objects.bulk_create(
            IdentityReview(
                customer_id=own, other_customer_id=other, kind=EMAIL, value="", reason="different_email", **seen
            )
            for own, other in pairs
        )


@pytest.mark.usefixtures("contradictions")
def test_a_merge_and_its_undoing_read_a_handful_of_rows_and_no_event(shop: UUID, rows_read: RowsRead) -> None:
    merged: dict[str, UUID] = {}

    def merge() -> None:
        other = find_customer(("user_id", "u8"))
        assert other
        loser = merged["loser"] = other
        merged["winner"] = _customer()
        merge_by_hand(workspace_id=shop, winner_id=_customer(), loser_ids=[loser], reason="", now=NOW, actor="key:test")

    def take_back() -> None:
        (entry,), _ = list_merges(merged["winner"], None, 10)
        unmerge(workspace_id=shop, entry_id=entry.id, now=NOW, actor="key:test")

    assert 0 < rows_read(merge) < 150
    with workspace_scope(shop):
        assert get_customer(merged["loser"]).id == merged["winner"]
    assert 0 < rows_read(take_back) < 150
    with workspace_scope(shop):
        assert get_customer(merged["loser"]).id == merged["loser"]


def test_pages_of_orders(rows_read: RowsRead) -> None:
    pages: list[str | None] = [None]
    assert _PAGE <= rows_read(lambda: pages.append(list_orders(None, _PAGE)[1]), as_if_large=True) < 5 * _PAGE
    assert rows_read(lambda: list_orders(pages[-1], _PAGE), as_if_large=True) < 5 * _PAGE
    assert 0 < rows_read(lambda: list_orders(None, _PAGE, OrderFilter(customer_id=_customer()))) < 30


def test_reading_all_of_a_table_would_be_noticed(rows_read: RowsRead) -> None:
    def read_all() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM customers WHERE lower(city) = 'bonn'")

    assert rows_read(read_all) >= CUSTOMERS
