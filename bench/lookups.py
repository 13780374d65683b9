"""What people wait for at 1 M customers: a profile by identifier, a page of a timeline, a merge by hand.

The customers come by the product's own import. Profiles are asked for through the API (one kept connection, so that
the answer's time is the product's) and through the query inside Django as the app role; timelines are those of two
customers with 10,000 events each, who are then merged. After each merge the profile, the timeline and a segment in the
columnar engine are asked until all of them tell of one customer with all events. Wanted: profile p99 < 5 ms, timeline
page < 10 ms, merge < 20 ms and every answer right within 2 s.
"""

from __future__ import annotations

import csv
import http.client
import json
import random
import statistics
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.db import connection

from harness import Live, Size, arguments, installation, percentile, report, wait_until
from kapelle.customers.queries import find_customer, get_customer, list_timeline
from kapelle.kernel import config as kernel_config
from kapelle.kernel.row_security import APP_ROLE
from kapelle.kernel.tenancy import workspace_scope
from kapelle.web.database import database_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path
    from uuid import UUID

_A_REQUEST = 500
_PAGE = 50
_EVENT = "Lamp Lit"


class Client:
    """The API on one kept connection."""

    def __init__(self, live: Live, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body)
        self._connection.request(method, f"/api/v1{path}", data, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status < 300, (answer.status, text[:500])
        return json.loads(text)

    def customer(self, user: str) -> Any:
        (found,) = self.call("GET", f"/customers?identifier=user_id:{user}")["items"]
        return found


def write_customers(path: Path, count: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "email", "first name", "last name", "city"])
        writer.writerows(
            [f"u{n}", f"u{n}@example.test", f"Anna{n % 997}", f"Berg{n % 4999}", "Bonn"] for n in range(count)
        )


def send_events(live: Live, key: str, user: str, count: int) -> None:
    for start in range(0, count, _A_REQUEST):
        batch = [
            {"type": "track", "event": _EVENT, "userId": user, "messageId": f"{user}-{n}", "properties": {"n": n}}
            for n in range(start, min(start + _A_REQUEST, count))
        ]
        status, answer = live.request("POST", "/v1/batch", {"batch": batch}, basic=key)
        assert status == 200, answer


def times(ask: Callable[[], object], rounds: int) -> list[float]:
    """Milliseconds of each of so many questions."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        ask()
        found.append((time.perf_counter() - began) * 1000)
    return found


def show(figure: str, found: list[float], options: argparse.Namespace, **also: Any) -> None:
    p99 = percentile(found, 0.99)
    report(figure, "ms", [p99], options, p50_ms=statistics.median(found), p99_ms=p99, **also)


def measure_profiles(client: Client, workspace_id: UUID, options: argparse.Namespace) -> None:
    def user() -> str:
        return f"u{random.randrange(options.customers)}"

    def query() -> None:
        with workspace_scope(workspace_id):
            found = find_customer(("user_id", user()))
            assert found is not None
            get_customer(found)

    times(lambda: client.customer(user()), 50)
    show("profile_by_identifier_api", times(lambda: client.customer(user()), options.rounds), options)
    times(query, 50)
    show("profile_by_identifier_query", times(query, options.rounds), options)


def measure_timeline(client: Client, workspace_id: UUID, options: argparse.Namespace) -> None:
    customer_id = client.customer("busy-0-a")["id"]

    def query() -> None:
        with workspace_scope(workspace_id):
            assert len(list_timeline(customer_id, None, _PAGE)[0]) == _PAGE

    path = f"/customers/{customer_id}/timeline?limit={_PAGE}"
    show("timeline_page_api", times(lambda: client.call("GET", path), options.rounds), options)
    show("timeline_page_query", times(query, options.rounds), options)


def measure_merge(client: Client, number: int, options: argparse.Namespace) -> tuple[float, float]:
    """Milliseconds of the merge's answer, and seconds until every answer tells of one customer."""
    first, second = client.customer(f"busy-{number}-a")["id"], client.customer(f"busy-{number}-b")["id"]
    leaf = {"event": _EVENT, "op": "at_least", "times": options.events * 2, "within": {"days": 30}}
    assert client.call("POST", "/segments/preview", {"rule": leaf})["count"] == number
    began = time.perf_counter()
    client.call("POST", f"/customers/{first}/merge", {"customer_ids": [second]})
    merged = time.perf_counter() - began

    def is_right() -> bool:
        one = client.customer(f"busy-{number}-b")["id"] == first
        ids = {item["message_id"] for item in client.call("GET", f"/customers/{first}/timeline?limit=200")["items"]}
        both = any(name.startswith(f"busy-{number}-b") for name in ids)
        return one and both and client.call("POST", "/segments/preview", {"rule": leaf})["count"] == number + 1

    wait_until(is_right, seconds=60, what="every answer right")
    return merged * 1000, time.perf_counter() - began


def main() -> None:
    options = arguments(
        __doc__,
        customers=Size(1_000_000, 5_000),
        events=Size(10_000, 500, "of each of the customers who are merged"),
        rounds=Size(2_000, 100, "questions of each kind"),
        merges=Size(10, 2),
    )
    with installation() as live:
        live.cli("workspace", "create", "bench")
        keys = {
            scope: live.cli("key", "create", "--workspace", "bench", "--name", "b", "--scope", scope)
            for scope in ("admin", "write")
        }
        path = live.home / "customers.csv"
        write_customers(path, options.customers)
        live.cli("import", "customers", str(path), "--workspace", "bench", patience=3600)
        for number in range(options.merges):
            for side in "ab":
                send_events(live, keys["write"], f"busy-{number}-{side}", options.events)
        client = Client(live, keys["admin"])
        everybody = {"event": _EVENT, "op": "at_least", "times": options.events, "within": {"days": 30}}
        wait_until(
            lambda: client.call("POST", "/segments/preview", {"rule": everybody})["count"] == 2 * options.merges,
            seconds=600,
            what="everything in both engines",
        )
        workspace_id = _use(live)
        measure_profiles(client, workspace_id, options)
        measure_timeline(client, workspace_id, options)
        merges = [measure_merge(client, number, options) for number in range(options.merges)]
        connection.close()
    found = [answer for answer, _ in merges]
    also = {"right_after_s": [round(seconds, 2) for _, seconds in merges]}
    report("merge_by_hand", "ms", [statistics.median(found)], options, p99_ms=max(found), **also)


def _use(live: Live) -> UUID:
    """Django in this script works on the running installation, as the app role; gives the workspace."""
    connection.close()
    connection.settings_dict.update(database_settings(kernel_config.load(live.environment), APP_ROLE))
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM workspaces WHERE slug = 'bench'")
        found: UUID = cursor.fetchone()[0]
        return found


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
