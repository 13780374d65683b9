"""What people wait for at 1 M customers: a profile by identifier, pages of timelines and lists, a merge by hand.

The customers are copies of two whom the road made (`_multitude`); a sample is compared with others of the road.
Everything is asked through the running edge and API with a key, on kept connections, by one client and by eight, and
profile and timeline also inside, as the app role under row-level security. Two customers with 10,000 events each are
merged, again and again; after each merge the profile, the timeline and a segment in the columnar engine are asked
until all of them tell of one customer with all events; then the merge is taken back. Wanted: profile p99 < 5 ms,
timeline page < 10 ms, lists < 50 ms, merge < 20 ms and every answer right within 2 s.
"""

from __future__ import annotations

import http.client
import json
import random
import statistics
import time
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection

from _multitude import KNOWN, ONE_IN, VISITOR, add_events, differences, messages, multiply, owner
from harness import Live, Size, arguments, client_cpu, installation, percentile, report, wait_until
from kapelle.customers.queries import find_profile, list_timeline
from kapelle.kernel import config as kernel_config
from kapelle.kernel.row_security import APP_ROLE
from kapelle.kernel.tenancy import workspace_scope
from kapelle.web.database import database_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


_PAGE = 50
_EVENT = "Lamp Lit"
_MANY = 8  # clients at once
_SAMPLE = 3
_ORIGINS = 50
# Numbers of those who get more than the others.
_LONG, _SPLIT, _BUSY = KNOWN + 1, KNOWN + 2, KNOWN + 10


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

    def customer(self, number: int) -> Any:
        (found,) = self.call("GET", f"/customers?identifier=user_id:u{number}")["items"]
        return found


class Pager:
    """Asks for the next page each time, from the beginning again after the last one."""

    def __init__(self, path: str) -> None:
        self._path, self._cursor = path, ""

    def __call__(self, client: Client) -> None:
        cursor = f"&cursor={self._cursor}" if self._cursor else ""
        self._cursor = client.call("GET", f"{self._path}limit={_PAGE}{cursor}")["next_cursor"]


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


class Bench:
    """One installation with its multitude."""

    def __init__(self, live: Live, options: argparse.Namespace) -> None:
        self.live, self.options = live, options
        live.cli("workspace", "create", "bench")
        self._keys = {
            scope: live.cli("key", "create", "--workspace", "bench", "--name", "b", "--scope", scope)
            for scope in ("admin", "write")
        }
        self.workspace_id = _use(live)
        self.client = Client(live, self._keys["admin"])

    def send(self, batch: list[dict[str, Any]]) -> None:
        status, answer = self.live.request("POST", "/v1/batch", {"batch": batch}, basic=self._keys["write"])
        assert status == 200, answer

    def number(self) -> int:
        """Somebody's."""
        place = random.randrange(self.options.customers)
        visitors = self.options.customers // ONE_IN
        return VISITOR + place if place < visitors else KNOWN + place - visitors

    def fill(self) -> None:
        """The multitude, the sample, and those who have more events or more names than others."""
        options, busy = self.options, [_BUSY + place for place in range(2 * self.options.merges)]
        with owner(self.live, self.workspace_id) as database:
            seconds = multiply(database, self.workspace_id, options.customers, self.send)
            for place in range(_SAMPLE):
                self.send(messages(KNOWN * 9 + place))
                self.send(messages(VISITOR + KNOWN + place, is_visitor=True))
            pairs = [(KNOWN + 5 + place, KNOWN * 9 + place) for place in range(_SAMPLE)]
            pairs += [(VISITOR + 5 + place, VISITOR + KNOWN + place) for place in range(_SAMPLE)]
            assert not (found := differences(database, pairs)), found
            report("customers_copied", "customers/s", [options.customers / seconds], options)
            for place in range(_ORIGINS - 1):
                names = {"anonymousId": f"split-{place}", "userId": f"u{_SPLIT}"}
                self.send(
                    [{"type": "track", "event": "Seen", "anonymousId": f"split-{place}", "messageId": f"s{place}"}]
                )
                self.send([{"type": "identify", "messageId": f"j{place}", **names}])
            add_events(database, self.workspace_id, [_LONG], options.long, _EVENT, days=150)
            add_events(database, self.workspace_id, busy, options.events, _EVENT)
        rule = {"event": _EVENT, "op": "at_least", "times": options.events, "within": {"days": 160}}
        wait_until(lambda: self.count(rule) == len(busy) + 1, seconds=600, what="everything in both engines")

    def count(self, rule: Any) -> int:
        return int(self.client.call("POST", "/segments/preview", {"rule": rule})["count"])

    def both(self, figure: str, ask: Callable[[Client], object], rounds: int) -> None:
        """By one client, then by eight at once."""
        times(lambda: ask(self.client), 30)
        show(f"{figure}_api", times(lambda: ask(self.client), rounds), self.options)
        found: list[float] = []

        def go() -> None:
            own = Client(self.live, self._keys["admin"])
            found.extend(times(lambda: ask(own), rounds // _MANY))

        threads = [Thread(target=go) for _ in range(_MANY)]
        began, cpu = time.monotonic(), client_cpu()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - began
        also = {"clients": _MANY, "a_second": round(len(found) / seconds), "cpu": (client_cpu() - cpu) / seconds}
        show(f"{figure}_api_{_MANY}_clients", found, self.options, **also)

    def measure_profiles(self) -> None:
        rounds = self.options.rounds

        def query() -> None:
            with workspace_scope(self.workspace_id):
                assert find_profile(("user_id", f"u{self.number()}"))

        self.both("profile_by_identifier", lambda client: client.customer(self.number()), rounds)
        times(query, 50)
        show("profile_by_identifier_query", times(query, rounds), self.options)

    def measure_timelines(self) -> None:
        rounds = self.options.rounds // 4
        for name, number in (("long", _LONG), ("split", _SPLIT)):
            home = UUID(self.client.customer(number)["id"])

            def query(home: UUID = home) -> None:
                with workspace_scope(self.workspace_id):
                    assert list_timeline(home, None, _PAGE)[0]

            show(f"timeline_{name}_query", times(query, rounds), self.options)
            path = f"/customers/{home}/timeline?"
            self.both(f"timeline_{name}", lambda client, path=path: client.call("GET", path), rounds)
            pager = Pager(path)
            show(f"timeline_{name}_paging_api", times(lambda ask=pager: ask(self.client), rounds), self.options)
        assert self._pages(f"/customers/{self.client.customer(_LONG)['id']}/timeline?") == self.options.long + 2

    def _pages(self, path: str) -> int:
        """Items of all pages, to the end."""
        seen, cursor = 0, ""
        while cursor is not None:
            page = self.client.call("GET", f"{path}limit=200{f'&cursor={cursor}' if cursor else ''}")
            seen, cursor = seen + len(page["items"]), page["next_cursor"]
        return seen

    def measure_lists(self) -> None:
        """Every list that grows with the customers, paged; and what a customer's page asks for."""
        everybody = {"attribute": "city", "op": "eq", "value": "Bonn"}
        segment = self.client.call("POST", "/segments", {"name": "Bonn", "rule": everybody})["id"]
        asked: dict[str, Callable[[Client], object]] = {
            "customers": Pager("/customers?"),
            "orders": Pager("/orders?"),
            "orders_by_status": Pager("/orders?status=completed&"),
            "holders": Pager("/products/lamp/holders?"),
            "segment_members": Pager(f"/segments/{segment}/customers?"),
            "by_email": lambda client: client.call("GET", f"/customers?identifier=email:u{self.number()}@example.test"),
            "order": lambda client: client.call("GET", f"/orders/o{VISITOR + 7}"),
        }
        for name in ("contact-points", "consents", "orders", "sessions", "activity", "lists", "merges"):
            path = f"/customers/{self.client.customer(VISITOR + 7)['id']}/{name}"
            asked[f"customer_{name}"] = lambda client, path=path: client.call("GET", path)
        for name, ask in asked.items():
            rounds = self.options.rounds // 20
            times(lambda ask=ask: ask(self.client), 5)
            show(f"list_{name}_api", times(lambda ask=ask: ask(self.client), rounds), self.options)

    def measure_merges(self) -> None:
        found = [self._merge(number) for number in range(self.options.merges)]
        for place, name in enumerate(("merge_by_hand", "unmerge")):
            answers = [row[place] for row in found]
            also = {"right_after_s": [round(row[2], 2) for row in found]} if not place else {}
            report(name, "ms", answers, self.options, p50_ms=statistics.median(answers), p99_ms=max(answers), **also)

    def _merge(self, number: int) -> tuple[float, float, float]:
        """Milliseconds of the merge's and of its undoing's answer, and seconds until every answer was right between."""
        call, numbers = self.client.call, (_BUSY + 2 * number, _BUSY + 2 * number + 1)
        first, second = (self.client.customer(own)["id"] for own in numbers)
        leaf = {"event": _EVENT, "op": "at_least", "times": self.options.events * 2, "within": {"days": 30}}
        before = self.count(leaf)
        began = time.perf_counter()
        call("POST", f"/customers/{first}/merge", {"customer_ids": [second]})
        merged = time.perf_counter() - began

        def is_right() -> bool:
            one = self.client.customer(numbers[1])["id"] == first
            items = call("GET", f"/customers/{first}/timeline?limit=200")["items"]
            owners = {item["message_id"].rpartition("-")[0] for item in items}
            return one and {first, second} <= owners and self.count(leaf) == before + 1

        wait_until(is_right, seconds=60, what="every answer right")
        right = time.perf_counter() - began
        entry = call("GET", f"/customers/{first}/merges")["items"][0]["id"]
        (undone,) = times(lambda: call("POST", f"/identity/merges/{entry}/undo"), 1)
        assert self.client.customer(numbers[1])["id"] == second
        wait_until(lambda: self.count(leaf) == before, seconds=60, what="both apart again")
        return merged * 1000, undone, right


def main() -> None:
    options = arguments(
        __doc__,
        customers=Size(1_000_000, 5_000),
        events=Size(10_000, 500, "of each of the customers who are merged"),
        long=Size(100_000, 2_000, "events of one customer, over months"),
        rounds=Size(2_000, 160, "questions of each kind"),
        merges=Size(10, 2),
    )
    with installation() as live:
        bench = Bench(live, options)
        bench.fill()
        bench.measure_profiles()
        bench.measure_timelines()
        bench.measure_lists()
        bench.measure_merges()
        connection.close()


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
