"""The compiler against an independent oracle, on random rules and histories, through PostgreSQL, writer and engine."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from kapelle.segments.contracts import canonicalize, parse_rule
from kapelle.segments.contracts.rule import leaves
from kapelle.segments.queries import compiler
from kapelle.segments.queries.compiler import SETTINGS, compile_rule
from segments import oracle
from segments.rules import random_rule
from segments.world import NOW, World, random_world, store

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from kapelle.accounts.contracts import WorkspaceInfo
    from kapelle.kernel.columnar.client import Client
    from mirrored import Columnar

RULES_A_WORLD = 25


def ask(client: Client, rule: Any, workspace_id: UUID, now: datetime = NOW) -> list[UUID]:
    compiled = compile_rule(canonicalize(parse_rule(rule)), workspace_id=workspace_id, now=now)
    return [row[0] for row in client.query(compiled.sql, compiled.parameters, SETTINGS)]


def first_difference(client: Client, world: World, workspace_id: UUID, seed: int, rules: int) -> str | None:
    """A rule on which engine and oracle disagree, with both answers; None if there is none."""
    chooser = random.Random(seed)
    for _ in range(rules):
        rule = random_rule(chooser)
        found = ask(client, rule, workspace_id)
        expected = oracle.members(rule, world, NOW)
        if sorted(found) != sorted(expected):
            extra, lacking = set(found) - expected, expected - set(found)
            return f"seed {seed}: {json.dumps(rule, ensure_ascii=False)}\n+{extra}\n-{lacking}\n{world}"
    return None


def fill(columnar: Columnar, workspace: WorkspaceInfo, seed: int) -> World:
    world = random_world(random.Random(seed))
    store(world, workspace.id)
    columnar.catch_up()
    return world


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_the_oracle(columnar: Columnar, workspace: WorkspaceInfo, seed: int) -> None:
    world = fill(columnar, workspace, seed)
    assert first_difference(columnar.client, world, workspace.id, seed, RULES_A_WORLD) is None


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1400))
def test_agrees_with_the_oracle_for_long(columnar: Columnar, workspace: WorkspaceInfo, seed: int) -> None:
    world = fill(columnar, workspace, seed)
    assert first_difference(columnar.client, world, workspace.id, seed, 50) is None


def test_the_random_rules_cover_every_kind_of_leaf() -> None:
    covered: Counter[str] = Counter()
    for seed in range(12):
        chooser = random.Random(seed)
        for _ in range(RULES_A_WORLD):
            for leaf in leaves(parse_rule(random_rule(chooser))):
                comparison = getattr(leaf, "comparison", None)
                covered[f"{type(leaf).__name__} {comparison.op if comparison else leaf.op}"] += 1  # type: ignore[union-attr]
    print(dict(covered))
    assert len([name for name in covered if name.startswith("AttributeLeaf")]) == 13
    assert {f"EventLeaf {op}" for op in ("at_least", "at_most", "exactly")} <= covered.keys()
    assert {f"OrderLeaf {op}" for op in ("eq", "ne", "gt", "gte", "lt", "lte")} <= covered.keys()


def _forget_merges(monkeypatch: pytest.MonkeyPatch) -> None:
    real = compiler._Compiler._mapped
    monkeypatch.setattr(
        compiler._Compiler,
        "_mapped",
        lambda self, facts, flags: real(self, facts, flags).replace(
            "FROM origins FINAL WHERE", "FROM origins FINAL WHERE 1 = 0 AND"
        ),
    )


def _count_only_those_with_events(monkeypatch: pytest.MonkeyPatch) -> None:
    real = compiler._Compiler._joins
    monkeypatch.setattr(
        compiler._Compiler,
        "_joins",
        lambda self, found: [join.replace("LEFT JOIN (", "INNER JOIN (", 1) for join in real(self, found)],
    )


def _include_the_first_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    real = compiler.Conditions.window
    monkeypatch.setattr(
        compiler.Conditions,
        "window",
        lambda self, column, window: [part.replace(" > ", " >= ") for part in real(self, column, window)],
    )


@pytest.mark.parametrize("plant", [_forget_merges, _count_only_those_with_events, _include_the_first_moment])
def test_a_planted_bug_is_caught(
    columnar: Columnar, workspace: WorkspaceInfo, monkeypatch: pytest.MonkeyPatch, plant: Any
) -> None:
    world = fill(columnar, workspace, 7)
    plant(monkeypatch)
    assert first_difference(columnar.client, world, workspace.id, 7, 400) is not None
