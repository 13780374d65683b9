"""A three-condition segment over 20 M events of 1 M customers: the compiler's SQL against the fastest hand-written one.

City, at least three dear product views in 90 days, and no order in 30 days; one customer in twenty was merged. The data
are made inside the engine by numbers(). Both sides go through the product's client and HTTP, warm, turn and turn about;
equal member sets are asserted first. Prints JSON. Wanted: <= 900 ms and <= 1.3 times the fastest of three hand forms.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
os.environ["KAPELLE_HOME"] = tempfile.mkdtemp(prefix="kapelle-bench-")
atexit.register(shutil.rmtree, os.environ["KAPELLE_HOME"], ignore_errors=True)
os.environ["DJANGO_SETTINGS_MODULE"] = "kapelle.web.settings"

import django  # noqa: E402  # the home comes first

django.setup()

from columnar_host import Host  # noqa: E402
from kapelle.kernel.columnar.client import Client, connect  # noqa: E402
from kapelle.kernel.columnar.ddl import create_statements  # noqa: E402
from kapelle.segments.contracts import canonicalize, parse_rule  # noqa: E402
from kapelle.segments.queries.compiler import SETTINGS, compile_rule  # noqa: E402
from kapelle.web.subscriptions import MIRRORS  # noqa: E402

HERE = Path(__file__).parent / "segment_sql"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WORKSPACE = UUID("00000000-0000-7000-8000-000000000001")
RULE = {
    "and": [
        {"attribute": "city", "op": "eq", "value": "Prague"},
        {
            "event": "Product Viewed",
            "op": "at_least",
            "times": 3,
            "within": {"days": 90},
            "where": [{"property": "price", "op": "gt", "value": 50}],
        },
        {"event": "Order Completed", "op": "at_most", "times": 0, "within": {"days": 30}},
    ]
}


def make_data(client: Client, events: int, customers: int) -> None:
    for mirror in MIRRORS:
        for statement in create_statements(mirror.table, cluster=None, database=client.database):
            client.command(statement)
    parts = {
        "events": events,
        "customers": customers,
        "workspace": WORKSPACE,
        "now": NOW.strftime("%Y-%m-%d %H:%M:%S"),
    }
    for name in ("customers", "events"):
        client.command((HERE / f"make_{name}.sql").read_text().format(**parts))
    for name in ("customers", "events"):
        client.command(f"OPTIMIZE TABLE {name} FINAL")


def queries() -> dict[str, tuple[str, dict[str, Any]]]:
    compiled = compile_rule(canonicalize(parse_rule(RULE)), workspace_id=WORKSPACE, now=NOW)
    found = {"compiler": (compiled.sql, compiled.parameters)}
    for path in sorted(HERE.glob("hand_*.sql")):
        text = path.read_text().replace("{workspace}", f"toUUID('{WORKSPACE}')")
        found[path.stem] = (text.replace("{now}", "toDateTime64('2026-11-22 12:00:00', 6, 'UTC')"), {})
    return found


def members(client: Client, sql: str, parameters: dict[str, Any]) -> tuple[int, int]:
    """How many, and one hash of all of them."""
    row = client.query(f"SELECT count(), sum(cityHash64(id)) FROM ({sql})", parameters, SETTINGS)[0]
    return int(row[0]), int(row[1])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=20_000_000)
    options.add_argument("--customers", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=9)
    chosen = options.parse_args()
    host = Host(Path(os.environ["KAPELLE_HOME"]), {"KAPELLE_COLUMNAR_MEMORY": "4g"}).start()
    try:
        client = connect(host.config)
        make_data(client, chosen.events, chosen.customers)
        forms = queries()
        answers = {name: members(client, *form) for name, form in forms.items()}
        assert len(set(answers.values())) == 1, answers
        times: dict[str, list[float]] = {name: [] for name in forms}
        for _ in range(chosen.rounds):
            for name, (sql, parameters) in forms.items():
                began = time.perf_counter()
                client.query(f"SELECT count() FROM ({sql})", parameters, SETTINGS)
                times[name].append(time.perf_counter() - began)
    finally:
        host.stop()
    medians = {name: round(statistics.median(found) * 1000) for name, found in times.items()}
    hand = min(value for name, value in medians.items() if name != "compiler")
    print(
        json.dumps(
            {
                "events": chosen.events,
                "customers": chosen.customers,
                "members": answers["compiler"][0],
                "median_ms": medians,
                "ratio_to_fastest_hand": round(medians["compiler"] / hand, 2),
                "load": os.getloadavg(),
            }
        )
    )


if __name__ == "__main__":
    main()
