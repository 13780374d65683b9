"""Segments through the API: counts, members, snapshots, circles, tenancy, staleness."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from kapelle.events.tasks.columnar_generation import start_rebuild
from kapelle.imports.actions.export_running import run_export
from kapelle.imports.actions.exporting import create_export
from kapelle.imports.queries import export_path
from kapelle.kernel.tenancy import workspace_scope
from kapelle.segments.actions import take_snapshot
from kapelle.segments.contracts import canonicalize, parse_rule
from kapelle.segments.queries import snapshot_members_chunk
from kapelle.segments.queries.compiler import compile_rule
from mirrored import MIRRORS
from segments import oracle
from segments.rules import random_rule
from segments.world import NOW, World, random_world, store

if TYPE_CHECKING:
    from datetime import datetime

    from kapelle.accounts.contracts import WorkspaceInfo
    from mirrored import Columnar

ANYONE = {"attribute": "city", "op": "not_in", "value": ["Nowhere"]}


@pytest.fixture
def world(columnar: Columnar, workspace: WorkspaceInfo) -> World:
    made = random_world(random.Random(11))
    for customer in made.customers:
        customer["created_at"] = NOW
    store(made, workspace.id)
    columnar.catch_up()
    return made


def living(world: World) -> set[str]:
    return {str(found) for found in oracle.members(ANYONE, world, NOW)}


def test_a_rule_is_counted_kept_and_listed(api: Any, world: World) -> None:
    assert api.post("/segments/preview", {"rule": ANYONE})["count"] == len(living(world))
    made = api.post("/segments", {"name": "All", "rule": {"version": 1, "rule": ANYONE}}, status=201)
    assert api.get(f"/segments/{made['id']}")["rule"] == ANYONE
    assert [row["name"] for row in api.get("/segments")["items"]] == ["All"]
    found: list[str] = []
    page = api.get(f"/segments/{made['id']}/customers?limit=2")
    while True:
        found += [row["id"] for row in page["items"]]
        if not page["next_cursor"]:
            break
        page = api.get(f"/segments/{made['id']}/customers?limit=2&cursor={page['next_cursor']}")
    assert len(found) == len(living(world))
    assert set(found) == living(world)


def test_a_list_of_segments_has_pages(api: Any, columnar: Columnar) -> None:
    for number in range(5):
        api.post("/segments", {"name": f"S{number}", "rule": ANYONE}, status=201)
    first = api.get("/segments?limit=3")
    second = api.get(f"/segments?limit=3&cursor={first['next_cursor']}")
    assert [row["name"] for row in first["items"] + second["items"]] == ["S4", "S3", "S2", "S1", "S0"]
    assert second["next_cursor"] is None


def test_a_mistake_in_a_rule_is_a_clear_422(api: Any) -> None:
    answer = api.post("/segments/preview", {"rule": {"and": [{"event": "A", "times": -1}]}}, status=422)
    assert answer["code"] == "invalid_rule"
    assert answer["path"] == "rule.and[0].times"


def test_a_segment_within_a_segment_means_its_rule(api: Any, world: World) -> None:
    inner = api.post("/segments", {"name": "Inner", "rule": {"not": {**ANYONE, "op": "in"}}}, status=201)
    outer = {"and": [{"segment": inner["id"]}, {"attribute": "is_identified", "op": "eq", "value": True}]}
    expected = oracle.members(outer["and"][1], world, NOW)
    assert api.post("/segments/preview", {"rule": outer})["count"] == len(expected)
    api.post("/segments", {"name": "Outer", "rule": outer}, status=201)
    assert api.call("DELETE", f"/segments/{inner['id']}", status=409)["code"] == "conflict"


def test_circles_are_refused(api: Any, columnar: Columnar) -> None:
    first = api.post("/segments", {"name": "First", "rule": ANYONE}, status=201)
    second = api.post("/segments", {"name": "Second", "rule": {"segment": first["id"]}}, status=201)
    for target in (first, second):
        answer = api.call("PATCH", f"/segments/{first['id']}", {"rule": {"segment": target["id"]}}, status=422)
        assert answer["code"] == "segment_circle"


def test_nested_repeats_cannot_grow_without_bound(api: Any, columnar: Columnar) -> None:
    rule: Any = {"or": [ANYONE, {**ANYONE, "op": "in"}]}
    statuses = []
    for level in range(12):
        response = api.client.post(
            "/api/v1/segments", {"name": f"Level {level}", "rule": rule}, content_type="application/json"
        )
        statuses.append(response.status_code)
        if response.status_code != 201:
            break
        rule = {"or": [{"segment": response.json()["id"]}] * 3}
    assert statuses[-1] == 422


def test_a_change_of_the_rule_counts_the_version_up(api: Any, columnar: Columnar) -> None:
    made = api.post("/segments", {"name": "Named", "rule": ANYONE}, status=201)
    assert api.call("PATCH", f"/segments/{made['id']}", {"name": "Renamed"})["version"] == 1
    changed = api.call("PATCH", f"/segments/{made['id']}", {"rule": {"event": "Viewed"}})
    assert (changed["version"], changed["name"]) == (2, "Renamed")
    assert changed["rule"] == {"event": "Viewed", "op": "at_least", "times": 1, "within": None, "where": []}
    api.post("/segments", {"name": "Renamed", "rule": ANYONE}, status=409)


def test_a_neighbors_segments_and_people_are_not_there(api: Any, neighbor_api: Any, world: World) -> None:
    made = api.post("/segments", {"name": "Mine", "rule": ANYONE}, status=201)
    assert neighbor_api.post("/segments/preview", {"rule": ANYONE})["count"] == 0
    answer = neighbor_api.post("/segments/preview", {"rule": {"segment": made["id"]}}, status=422)
    assert answer["code"] == "segment_unknown"
    for path in ("", "/customers"):
        neighbor_api.get(f"/segments/{made['id']}{path}", status=404)
    neighbor_api.post(f"/segments/{made['id']}/snapshots", status=404)
    neighbor_api.call("DELETE", f"/segments/{made['id']}", status=404)


def test_a_snapshot_holds_the_members_and_outlives_the_segment(
    api: Any, neighbor: WorkspaceInfo, workspace: WorkspaceInfo, world: World
) -> None:
    made = api.post("/segments", {"name": "Mine", "rule": ANYONE}, status=201)
    snapshot_id, count = take_snapshot(workspace_id=workspace.id, segment_id=made["id"], now=NOW)
    api.call("DELETE", f"/segments/{made['id']}", status=204)
    with workspace_scope(workspace.id):
        found = _chunks(snapshot_id)
    assert count == len(found) == len(living(world))
    assert {str(member) for member in found} == living(world)
    with workspace_scope(neighbor.id):
        assert _chunks(snapshot_id) == []


def _chunks(snapshot_id: UUID) -> list[UUID]:
    found: list[UUID] = []
    while chunk := snapshot_members_chunk(snapshot_id, after=found[-1] if found else None, limit=2):
        found += chunk
    return found


def test_an_export_narrowed_to_a_segment_has_its_members_and_their_orders_only(
    api: Any, columnar: Columnar, workspace: WorkspaceInfo
) -> None:
    people = {}
    for number, city in enumerate(("Riga", "Oslo", "Riga"), start=41):
        person = {"external_id": str(number), "city": city}
        people[str(number)] = api.post("/customers", person, status=201)["id"]
        line = {"product_external_id": "p", "quantity": 1, "unit_price": "2.50"}
        order = {"external_id": f"A{number}", "identifiers": {"user_id": str(number)}, "lines": [line]}
        api.post("/orders", order, status=201)
    columnar.catch_up()
    rule = {"attribute": "city", "op": "eq", "value": "Riga"}
    segment = UUID(api.post("/segments", {"name": "Riga", "rule": rule}, status=201)["id"])
    for kind, column, expected in (
        ("customers", "kapelle_id", {people["41"], people["43"]}),
        ("orders", "order.external_id", {"A41", "A43"}),
        ("events", "customer_user_id", {"41", "43"}),
    ):
        job = create_export(
            workspace_id=workspace.id, kind=kind, columns=[column], segment_id=segment, now=NOW, actor="test"
        )
        done = run_export(workspace_id=workspace.id, export_id=job.id, clock=lambda: NOW)
        assert set(export_path(done).read_text().splitlines()[1:]) == expected


def test_a_rebuild_is_told_and_not_counted(api: Any, columnar: Columnar, world: World, now: datetime) -> None:
    start_rebuild(MIRRORS, columnar.client, cluster=None, reason="a test", now=now)
    answer = api.post("/segments/preview", {"rule": ANYONE}, status=503)
    assert answer["code"] == "columnar_stale"
    assert answer["stale_since"] == now.isoformat()
    columnar.catch_up()
    assert api.post("/segments/preview", {"rule": ANYONE})["count"] == len(living(world))


def test_large_lists_of_values_travel(api: Any, world: World) -> None:
    rule = {"attribute": "city", "op": "not_in", "value": [f"{number}" + "x" * 900 for number in range(1000)]}
    assert api.post("/segments/preview", {"rule": rule})["count"] == len(living(world))


def test_every_table_read_carries_the_workspace_and_no_value_enters_the_text(workspace: WorkspaceInfo) -> None:
    chooser = random.Random(17)
    for _ in range(300):
        compiled = compile_rule(canonicalize(parse_rule(random_rule(chooser))), workspace_id=workspace.id, now=NOW)
        reads = re.findall(r"\bFROM (?!\()(\w+)( FINAL)?( WHERE workspace_id = \{p0:UUID\})?", compiled.sql)
        assert reads
        assert all(scoped for _table, _final, scoped in reads), compiled.sql
        assert {table for table, _, _ in reads} <= {"events", "customers", "orders", "origins"}
        assert compiled.parameters["p0"] == str(workspace.id)
        # What is quoted is the compiler's own: JSON's type names and UTC.
        assert set(re.findall(r"'([^']*)'", compiled.sql)) <= {"String", "Null", "Array", "UTC", "true", "false", ""}


def test_the_schema_is_published(api: Any) -> None:
    assert api.get("/segments/schema")["title"] == "Kapelle segment rule"


def _wide(events: int, tests: int) -> dict[str, Any]:
    where = [{"property": f"p{number}", "op": "eq", "value": number} for number in range(tests)]
    return {"or": [{"event": f"E{number}", "where": where} for number in range(events)]}


def test_a_rule_with_as_much_as_is_allowed_is_counted(api: Any, world: World) -> None:
    assert api.post("/segments/preview", {"rule": _wide(25, 19)})["count"] == 0
    lists = [
        {"attribute": "city", "op": "in", "value": [f"City {group} {number}" for number in range(1000)]}
        for group in range(12)
    ]
    assert api.post("/segments/preview", {"rule": {"or": lists}})["count"] == 0


def test_a_rule_that_is_too_large_is_refused(api: Any, world: World) -> None:
    assert "520 conditions" in api.post("/segments/preview", {"rule": _wide(26, 19)}, status=422)["title"]
    names = [f"{number:01000}" for number in range(1000)]
    long = {"or": [{"attribute": "city", "op": "in", "value": names}] * 2}
    assert api.post("/segments/preview", {"rule": long}, status=422)["path"] == "rule"
