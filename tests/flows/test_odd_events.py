"""The whole road under odd events: no answer of 500, nothing that stops a projector or the columnar copy, and the good
event beside them always comes home.

Short in `make test`; the long form takes many more, other ones each time.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from conftest import NOW, database_role, make_key, make_workspace
from edge_process import EdgeProcess
from kapelle.catalog.actions.list_events import NAMES as LIST_EVENTS
from kapelle.catalog.actions.projection import NAMES as ORDER_EVENTS
from kapelle.customers.actions.consents import CONSENT_EVENTS
from kapelle.edge.collect import KIND_OF_PATH
from kapelle.kernel.clock import utc_now
from kapelle.kernel.ids import uuid7
from kapelle.web.subscriptions import GATES, PROJECTIONS, RESOLVERS
from mirrored import Columnar
from road import Road

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kapelle.kernel.config import Config

# What stands in the JSON instead of these texts: Python cannot write it, other programs can.
RAW = {f"@@deep {depth}@@": "[" * depth + "0" + "]" * depth for depth in (50, 500, 100_000)}
ABYSS = "@@deep 100000@@"
RAW |= {"@@digits@@": "9" * 5000, "@@fraction@@": "0." + "7" * 5000, "@@exponent@@": "1e400", "@@tiny@@": "1e-9999"}
SINGLE = sorted(path for path, kind in KIND_OF_PATH.items() if kind != "batch")
MANY = sorted(path for path, kind in KIND_OF_PATH.items() if kind == "batch")
CONTENT_TYPES = ["application/json", "text/plain", "application/x-www-form-urlencoded", "", "nonsense;;", "image/png"]

odd_texts = st.one_of(
    st.text(max_size=20),
    st.text(st.characters(codec=None), max_size=10),  # lone surrogates as well
    st.sampled_from(
        ["", " ", "\0", "a\0b", "\ud800", "\udfff\ud800", "\ufeff", "\u202e", "a" * 300, "é" * 3000, "x" * 40_000]
    ),
    st.sampled_from(["0001-01-01", "9999-12-31T23:59:59Z", "10000-01-01", "2026-02-30", "-1", "1e400", "NaN", "24:00"]),
    st.sampled_from(["2026-11-22T12:00:00+99:00", "2026-11-22T12:00:00.123456789Z", "1700000000", "1700000000000000"]),
    st.sampled_from(["ann@example.test", "ANN@EXAMPLE.TEST ", "@", "+49 171 1234567", "+0", "00000000000000000000"]),
    st.sampled_from(sorted(RAW)),
)
odd_numbers = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**38, 10**300, -(10**4000)]),
    st.sampled_from([0.1, -0.0, 1e308, 5e-324, 1e-30, 1.7e12]),
)
odd_values = st.recursive(
    st.none() | st.booleans() | odd_numbers | odd_texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(odd_texts, inner, max_size=4),
    max_leaves=8,
)
NAMES = sorted({*ORDER_EVENTS, *LIST_EVENTS, *CONSENT_EVENTS, "Viewed"})
FIELDS = {
    "type": ["identify", "track", "page", "screen", "group", "alias", "Track"],
    "event": NAMES,
    "userId": ["u-1", "u-2"],
    "anonymousId": ["a-1", "a-2"],
    "previousId": ["u-1", "a-2"],
    "groupId": ["g"],
    "name": ["Home"],
    "timestamp": ["2026-11-22T12:00:00Z"],
    "originalTimestamp": ["2026-11-22T12:00:00Z"],
    "sentAt": ["2026-11-22T12:00:00Z"],
    "messageId": ["m"],
    "integrations": [{}],
}
PROPERTIES = [
    *("order_id", "orderId", "products", "product_id", "sku", "price", "quantity", "total", "revenue", "currency"),
    *("list", "wishlist_name", "cart_id", "status", "line", "at", "channel", "topic", "granted", "purpose", "address"),
    *("email", "phone", "list_id", "variant", "name", "category", "discount", "tax", "refund_id", "customer", "url"),
]
TRAITS = [
    *("email", "phone", "firstName", "birthday", "gender", "createdAt", "address", "unsubscribed", "email_subscribed"),
    *("language", "timezone", "city", "country", "name", "age", "shoe", "$set", "a.b"),
]
CONTEXT = [
    *("ip", "userAgent", "userAgentData", "page", "campaign", "screen", "device", "os", "locale", "timezone", "traits"),
    *("externalIds", "consent", "consentManagement", "messaging_subscriptions", "isLoggedIn", "derived", "referrer"),
]
# Of each part some are as they should be, so that the odd ones get far.
good_or_odd = {
    "products": st.lists(st.dictionaries(st.sampled_from(PROPERTIES), odd_values, max_size=4) | odd_values, max_size=3),
    "order_id": st.sampled_from(["o-1", "o-2"]),
    "product_id": st.sampled_from(["p-1", "p-2"]),
    "email": st.sampled_from(["ann@example.test", "bob@example.test"]),
}


def objects(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with known names, each with a good or an odd value, and perhaps one name that nobody knows."""
    known = {name: odd_values | good_or_odd.get(name, odd_values) for name in names}
    some = st.lists(st.sampled_from(names), max_size=5, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({name: known[name] for name in chosen})
    )
    return st.tuples(some, st.dictionaries(odd_texts, odd_values, max_size=1)).map(lambda pair: {**pair[1], **pair[0]})


parts = {"properties": objects(PROPERTIES), "traits": objects(TRAITS), "context": objects(CONTEXT)}
odd_events = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.sampled_from(good) | odd_values for name, good in FIELDS.items()},
        **{name: part | odd_values for name, part in parts.items()},
    },
).flatmap(
    lambda event: st.sampled_from(NAMES).map(lambda name: {"type": "track", "event": name, "userId": "u", **event})
)


@dataclass
class Shop:
    """One workspace at the end of the whole road."""

    edge: EdgeProcess
    road: Road
    key: str
    columnar: Columnar

    def send(self, path: str, body: Any, packing: str, content_type: str) -> int:
        text = json.dumps(body)
        for name, raw in RAW.items():
            text = re.sub(f'"{name}"(?!:)', raw, text)  # as a value: names of members stay texts
        data = {"gzip": gzip.compress, "zlib": zlib.compress, "": bytes}[packing](text.encode())
        return self.edge.post(path, data, key=self.key, headers={"Content-Type": content_type}).status

    def come_home(self) -> None:
        with database_role("kapelle_projector"):
            self.road.project(RESOLVERS, PROJECTIONS, utc_now, GATES)

    def has(self, message_id: str) -> bool:
        return bool(self.road.rows("SELECT 1 FROM events WHERE message_id = %s", message_id))


@pytest.fixture(scope="module")
def shop(database: str, config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    edge = EdgeProcess({"KAPELLE_WEB": str(tmp_path_factory.mktemp("web") / "nobody.sock")})
    edge.start()
    columnar = Columnar(config)
    workspace = make_workspace(NOW)
    yield Shop(edge, Road(database, workspace.id, NOW), make_key(workspace, "write", NOW), columnar)
    columnar.host.stop()
    edge.remove()
    connection.close()


def check_requests(shop: Shop, data: st.DataObject) -> None:
    """One batch of odd events around a good one, and one of them alone; both brought home at once."""
    bad = data.draw(st.lists(odd_events | odd_values, min_size=1, max_size=4))
    place = data.draw(st.integers(0, len(bad)))
    how = data.draw(st.tuples(st.sampled_from(["", "gzip", "zlib"]), st.sampled_from(CONTENT_TYPES)))
    good = {"type": "track", "event": "Good", "userId": "good", "messageId": f"good-{uuid7()}"}
    around = data.draw(st.fixed_dictionaries({}, optional={"sentAt": odd_values, "context": odd_values}))
    batch = {"batch": [*bad[:place], good, *bad[place:]], **around}
    status = shop.send(data.draw(st.sampled_from(MANY)), batch, *how)
    if status != 200:
        assert status in {400, 413}  # nothing was taken and the sender is told so: nobody reads JSON of such a depth
        assert ABYSS in json.dumps(batch)
        return
    assert shop.send(data.draw(st.sampled_from(SINGLE)), bad[0], *how) in {200, 400, 413}
    shop.come_home()
    assert shop.has(good["messageId"])


def check_copy(shop: Shop) -> None:
    """The columnar copy takes all of it."""
    shop.columnar.catch_up()
    for table in ("events", "customers", "orders", "product_list_entries"):
        final = "" if table == "events" else " FINAL"
        ((kept,),) = shop.road.rows(f"SELECT count(*) FROM {table}")
        select = f"SELECT count() FROM {table}{final} WHERE workspace_id = {{w}}"
        assert shop.columnar.column(shop.road.workspace_id, select) == [kept], table


_COMMON: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "phases": [Phase.generate],  # to make a failure smaller takes minutes here
    "database": None,
}


@settings(max_examples=80, derandomize=True, **_COMMON)
@given(data=st.data())
def test_odd_events_harm_nobody_else(shop: Shop, data: st.DataObject) -> None:
    check_requests(shop, data)


def test_the_columnar_copy_takes_all_of_it(shop: Shop) -> None:
    check_copy(shop)


@pytest.mark.long
@settings(max_examples=2000, **_COMMON)
@given(data=st.data())
def test_many_odd_events_harm_nobody_else(shop: Shop, data: st.DataObject) -> None:
    check_requests(shop, data)


@pytest.mark.long
def test_the_columnar_copy_takes_all_of_the_many(shop: Shop) -> None:
    check_copy(shop)
