"""A three-condition segment over 20 M events of 1 M customers: the compiler's SQL against the fastest hand-written one.

City, at least three dear product views in 90 days, and no order in 30 days; one origin in four is a second name of
somebody, one in twenty a merged customer. The data
are made inside the engine by numbers(). Both sides go through the product's client and HTTP, warm, turn and turn about;
equal member sets are asserted first. Prints JSON. Wanted: <= 900 ms and <= 1.3 times the fastest of three hand forms.
"""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from harness import HOME, Host, Size, arguments, percentile, report
from kapelle.kernel.columnar.client import Client, connect
from kapelle.kernel.columnar.ddl import create_statements
from kapelle.segments.contracts import canonicalize, parse_rule
from kapelle.segments.queries.compiler import SETTINGS, compile_rule
from kapelle.web.subscriptions import MIRRORS

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
        "origins": customers * 4 // 3,
        "workspace": WORKSPACE,
        "now": NOW.strftime("%Y-%m-%d %H:%M:%S"),
    }
    for name in ("customers", "origins", "events"):
        client.command((HERE / f"make_{name}.sql").read_text().format(**parts))
    for name in ("customers", "origins", "events"):
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
    options = arguments(__doc__, events=Size(20_000_000, 200_000), customers=Size(1_000_000, 10_000), rounds=Size(9, 3))
    host = Host(HOME, {"KAPELLE_COLUMNAR_MEMORY": "4g"}).start()
    try:
        client = connect(host.config)
        make_data(client, options.events, options.customers)
        forms = queries()
        answers = {name: members(client, *form) for name, form in forms.items()}
        assert len(set(answers.values())) == 1, answers
        runs = [time_all(client, forms, options.rounds) for _ in range(options.runs)]
    finally:
        host.stop()
    times = {name: [value for run in runs for value in run[name]] for name in forms}
    medians = {name: statistics.median(found) for name, found in times.items()}
    hand = min(value for name, value in medians.items() if name != "compiler")
    report(
        "segment_three_conditions",
        "ms",
        [statistics.median(run["compiler"]) for run in runs],
        options,
        p50_ms=medians["compiler"],
        p99_ms=percentile(times["compiler"], 0.99),
        members=answers["compiler"][0],
        median_ms={name: round(value) for name, value in medians.items()},
        ratio_to_fastest_hand=round(medians["compiler"] / hand, 2),
    )


def time_all(client: Client, forms: dict[str, tuple[str, dict[str, Any]]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each form, turn and turn about."""
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(rounds):
        for name, (sql, parameters) in forms.items():
            began = time.perf_counter()
            client.query(f"SELECT count() FROM ({sql})", parameters, SETTINGS)
            times[name].append((time.perf_counter() - began) * 1000)
    return times


if __name__ == "__main__":
    main()
