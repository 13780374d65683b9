"""Pages of lists that grow for ever read about what they show, even far inside: counted by PostgreSQL.

As the app role, under row-level security, which is what keeps PostgreSQL from using some indexes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import pytest
from django.db import connection

from conftest import NOW, make_workspace
from kapelle.catalog.models import Category, Product, ProductChange, ProductListEntry
from kapelle.catalog.queries import lists, products
from kapelle.customers.actions.editing import Changes, upsert_customer
from kapelle.customers.models import ContactPoint, Session
from kapelle.customers.queries import find_customer, origins_of
from kapelle.customers.queries.contact_points import list_contact_points
from kapelle.customers.queries.sessions import list_sessions
from kapelle.imports.models import ExportJob
from kapelle.imports.queries import list_exports
from kapelle.kernel.pagination import encode_cursor
from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.models import ConsentEntry, ConsentStateRow
from kapelle.privacy.queries import list_entries, list_states

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

RowsRead: TypeAlias = "Callable[..., int]"
ROWS, PEOPLE, PAGE = 4_000, 99, 20
TABLES = (
    "product_changes|products|categories|product_list_entries|consent_entries|consent_states|contact_points|sessions"
    "|export_jobs"
)
_READ = f"""
SELECT coalesce(sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)), 0) FROM pg_stat_user_tables
WHERE relname ~ '^({TABLES})$'
"""
# Some thousands of rows are soon read and sorted: ask for the plan that millions of them would get, if there is one.
_NEVER_WHOLE = "SET LOCAL enable_seqscan = off"
_IN_ORDER = f"{_NEVER_WHOLE}; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off"


@pytest.fixture(scope="module")
def shop(database: str) -> UUID:
    """A workspace with thousands of rows of each kind, of which one customer has a handful."""
    workspace = make_workspace(NOW)
    with workspace_scope(workspace.id):
        fill(workspace.id)
    return workspace.id


def fill(workspace_id: UUID) -> None:
    """An hour apart from row to row; each customer has the same share."""
    own, _ = upsert_customer(
        workspace_id=workspace_id, identifiers=[("user_id", "own")], changes=Changes(), source="test", now=NOW
    )
    for n in range(PEOPLE):
        upsert_customer(
            workspace_id=workspace_id, identifiers=[("user_id", f"u{n}")], changes=Changes(), source="test", now=NOW
        )
    people = [own, *(found for n in range(PEOPLE) if (found := find_customer(("user_id", f"u{n}"))))]
    owned = [(n, NOW - timedelta(hours=n), people[n % len(people)]) for n in range(ROWS)]
    Category.objects.bulk_create(Category(external_id=f"c{n:05}", name="") for n, _, _ in owned)
    Product.objects.bulk_create(
        Product(external_id=f"p{n:05}", category_external_id=f"c{n % 50}", source="", updated_at=at)
        for n, at, _ in owned
    )
    ProductChange.objects.bulk_create(
        ProductChange(batch_id=n // 10, product_external_id=f"p{n % 50}", kind="new", at=at, source="")
        for n, at, _ in owned
    )
    ProductListEntry.objects.bulk_create(
        ProductListEntry(
            batch_id=n, origin_id=who, list="wishlist", product_external_id=f"p{n % 50}", variant="", key=f"{n}", at=at,
            op="put", quantity=1,
        )
        for n, at, who in owned
    )  # fmt: skip
    ConsentEntry.objects.bulk_create(
        ConsentEntry(
            origin_id=who, purpose="marketing", status="granted", happened_at=at, recorded_at=at, source="",
            digest=n.to_bytes(16, "big"),
        )
        for n, at, who in owned
    )  # fmt: skip
    ConsentStateRow.objects.bulk_create(
        ConsentStateRow(
            origin_id=who, purpose="marketing", topic=f"t{n}", status="denied", is_refusal=True, happened_at=at,
            source="", strictness=1, digest=b"",
        )
        for n, at, who in owned
    )  # fmt: skip
    ContactPoint.objects.bulk_create(
        ContactPoint(origin_id=who, channel="push", address=f"t{n}", source="", first_seen_at=at, last_seen_at=at)
        for n, at, who in owned
    )
    texts = dict.fromkeys(name.attname for name in Session._meta.fields if name.get_internal_type() == "TextField")
    Session.objects.bulk_create(
        Session(
            **dict.fromkeys(texts, ""), origin_id=who, device="d", started_at=at, ended_at=at, events=1, pages=1,
            is_logged_in=False,
        )
        for n, at, who in owned
    )  # fmt: skip
    ExportJob.objects.bulk_create(
        ExportJob(kind="customers", status="expired", format="csv", columns=[], actor="", created_at=at)
        for _, at, _ in owned
    )


@pytest.fixture
def rows_read(shop: UUID, owner: psycopg.Connection[Any]) -> RowsRead:
    """Runs a look-up in the shop's scope; gives how many rows PostgreSQL has read for it, by whatever plan."""
    owner.execute(f"ANALYZE {TABLES.replace('|', ', ')}")

    def count(look_up: Callable[[], object], planning: str) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")  # what this connection read before is not the look-up's
        ((before,),) = owner.execute(_READ).fetchall()
        with workspace_scope(shop), connection.cursor() as cursor:
            cursor.execute(planning)
            look_up()
            cursor.execute("SELECT pg_stat_force_next_flush()")
        ((after,),) = owner.execute(_READ).fetchall()
        return int(after - before)

    return count


def own() -> UUID:
    found = find_customer(("user_id", "own"))
    assert found
    return found


AT, NOBODY = NOW - timedelta(hours=ROWS - 100), UUID(int=0)
DEEP_IN = encode_cursor([AT, NOBODY])
FAR_INSIDE: dict[str, Callable[[], object]] = {
    "changes": lambda: products.list_product_changes(encode_cursor([ROWS // 10 - 10, NOBODY]), PAGE),
    "changes of a product": lambda: products.list_product_changes(None, PAGE, product="p7"),
    "products": lambda: products.list_products(encode_cursor([f"p{ROWS - 100:05}"]), PAGE),
    "products of a category": lambda: products.list_products(None, PAGE, category="c7"),
    "products that begin so": lambda: products.list_products(None, PAGE, prefix="p0123"),
    "categories": lambda: products.list_categories(encode_cursor([f"c{ROWS - 100:05}"]), PAGE),
    "exports": lambda: list_exports(limit=PAGE, cursor=DEEP_IN),
}
OF_ONE: dict[str, Callable[[], object]] = {
    "lists": lambda: lists.get_lists(own()),
    "holders": lambda: lists.find_holders("p7", "wishlist", None, PAGE),
    "consents": lambda: list_states([], origins_of(own())),
    "words on consent": lambda: list_entries([], origins_of(own()), None, PAGE),
    "contact points": lambda: list_contact_points(own()),
    "visits": lambda: list_sessions(own(), None, PAGE, NOW),
}


@pytest.mark.parametrize("name", FAR_INSIDE)
def test_a_page_reads_about_what_it_shows(rows_read: RowsRead, name: str) -> None:
    assert 0 < rows_read(FAR_INSIDE[name], _IN_ORDER) <= 2 * PAGE


@pytest.mark.parametrize("name", OF_ONE)
def test_what_one_customer_has_is_read_and_no_more(rows_read: RowsRead, name: str) -> None:
    assert 0 < rows_read(OF_ONE[name], _NEVER_WHOLE) <= 5 * ROWS // (PEOPLE + 1)
