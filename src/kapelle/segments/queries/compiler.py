"""A rule to one ClickHouse SELECT of customer ids.

Shape: the workspace's living customers, joined with one row of facts for each customer that has any. All event leaves
share one scan of `events`, all order leaves one of `orders`. Facts are added up per origin first and go through the
merge map afterwards, so a merge changes answers and no rows. A fact is a flag "differs from a customer without any
event"; who has no row has all flags 0, which makes "not" and "at most" right for customers without events.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kapelle.customers.contracts import BOT
from kapelle.segments.contracts.canonical import Canonical, Group, Inverse, Ref, Tree
from kapelle.segments.contracts.rule import AttributeLeaf, CountOp, EventLeaf, Measure, Op, OrderLeaf
from kapelle.segments.queries.conditions import SYMBOLS, Conditions, Parameters, lower_bound

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

# Tables with versions of a row are read FINAL: the newest version, and none that says "deleted".
_VERSIONED = {"customers", "orders", "origins"}
_COMPARE = {
    Op.EQ: operator.eq,
    Op.NE: operator.ne,
    Op.GT: operator.gt,
    Op.GTE: operator.ge,
    Op.LT: operator.lt,
    Op.LTE: operator.le,
}
SETTINGS: Mapping[str, str | int] = {"join_use_nulls": 0, "transform_null_in": 0}


@dataclass(frozen=True, slots=True)
class Compiled:
    """`sql` gives one column, `id`: each member once. `workspace` is the placeholder for queries around it."""

    sql: str
    parameters: dict[str, Any]
    workspace: str


def compile_rule(rule: Canonical, *, workspace_id: UUID, now: datetime) -> Compiled:
    """The members of a rule without SegmentLeaf (replace_segments first), as of `now`."""
    compiler = _Compiler(rule, workspace_id, now)
    return Compiled(compiler.members(), compiler.parameters.values, compiler.workspace)


class _Compiler:
    def __init__(self, rule: Canonical, workspace_id: UUID, now: datetime) -> None:
        self.parameters = Parameters()
        self.workspace = self.parameters.bind(str(workspace_id), "UUID")
        self._conditions = Conditions(self.parameters, now)
        self._rule = rule
        self._now = now
        # Where a leaf's truth stands in the outer query, by its hash.
        self._terms: dict[str, str] = {}

    def members(self) -> str:
        """The whole query."""
        own, rest = self._split(self._rule.tree)
        narrowing = [self._attributes_only(part) for part in own]
        joined = [leaf for part in rest for leaf in self._leaves_of(part)]
        columns = self._attribute_columns(joined)
        people = self._read("customers", ["id", *columns], ["merged_into IS NULL", *self._without_bots(), *narrowing])
        joins = self._joins(joined)
        where = " AND ".join(self._truth(part) for part in rest)
        return f"SELECT c.id AS id FROM {people} AS c{''.join(joins)}{' WHERE ' + where if where else ''}"

    def _without_bots(self) -> list[str]:
        """Robots are no people, unless the rule names them."""
        for leaf in self._rule.leaves.values():
            if isinstance(leaf, AttributeLeaf) and leaf.name == "device_type":
                value = leaf.comparison.value
                if BOT in (value if isinstance(value, tuple) else (value,)):
                    return []
        return [f"device_type != {self.parameters.text(BOT)}"]

    def _read(self, table: str, columns: list[str], conditions: list[str], *, group_by: str = "") -> str:
        """The only way to a table: it cannot be read without the workspace."""
        where = " AND ".join([f"workspace_id = {self.workspace}", *conditions])
        final = " FINAL" if table in _VERSIONED else ""
        grouped = f" GROUP BY {group_by}" if group_by else ""
        return f"(SELECT {', '.join(columns)} FROM {table}{final} WHERE {where}{grouped})"

    def _split(self, tree: Tree) -> tuple[list[Tree], list[Tree]]:
        """What can be asked of `customers` alone and must hold anyway, and the rest."""
        parts = list(tree.children) if isinstance(tree, Group) and tree.every else [tree]
        own = [part for part in parts if all(isinstance(leaf, AttributeLeaf) for _, leaf in self._leaves_of(part))]
        return own, [part for part in parts if part not in own]

    def _leaves_of(self, tree: Tree) -> list[tuple[str, Any]]:
        if isinstance(tree, Ref):
            return [(tree.key, self._rule.leaves[tree.key])]
        children = tree.children if isinstance(tree, Group) else (tree.child,)
        return [found for child in children for found in self._leaves_of(child)]

    def _attributes_only(self, tree: Tree) -> str:
        for key, leaf in self._leaves_of(tree):
            self._terms[key] = f"({self._conditions.attribute(leaf)})"
        return self._truth(tree)

    def _attribute_columns(self, leaves: list[tuple[str, Any]]) -> list[str]:
        """The attribute leaves that stand beside other leaves, worked out once a customer."""
        own = {key: leaf for key, leaf in leaves if isinstance(leaf, AttributeLeaf)}
        for index, key in enumerate(own):
            self._terms[key] = f"c.a{index}"
        return [f"({self._conditions.attribute(leaf)}) AS a{index}" for index, leaf in enumerate(own.values())]

    def _joins(self, leaves: list[tuple[str, Any]]) -> list[str]:
        events = {key: leaf for key, leaf in leaves if isinstance(leaf, EventLeaf)}
        orders = {key: leaf for key, leaf in leaves if isinstance(leaf, OrderLeaf)}
        joins = []
        if events:
            joins.append(f" LEFT JOIN ({self._event_facts(events)}) AS e ON e.customer_id = c.id")
        if orders:
            joins.append(f" LEFT JOIN ({self._order_facts(orders)}) AS o ON o.customer_id = c.id")
        return joins

    def _event_facts(self, leaves: dict[str, EventLeaf]) -> str:
        columns, flags = ["origin_id"], []
        for index, (key, leaf) in enumerate(leaves.items()):
            columns.append(f"countIf({self._conditions.event(leaf)}) AS n{index}")
            flag, by_default = self._count_flag(f"sum(f.n{index})", leaf)
            flags.append(f"{flag} AS d{index}")
            self._terms[key] = f"NOT e.d{index}" if by_default else f"e.d{index}"
        names = sorted({leaf.name for leaf in leaves.values()})
        conditions = [f"name IN {self.parameters.bind(names, 'Array(String)')}"]
        conditions += self._common_window("occurred_at", [leaf.window for leaf in leaves.values()])
        return self._mapped(self._read("events", columns, conditions, group_by="origin_id"), flags)

    def _count_flag(self, total: str, leaf: EventLeaf) -> tuple[str, bool]:
        """The flag, and whether a customer without events meets the leaf (then the flag says: this one does not)."""
        times = self.parameters.bind(leaf.times, "UInt64")
        if leaf.op is CountOp.AT_LEAST:
            return f"{total} >= {times}", False
        if leaf.op is CountOp.AT_MOST:
            return f"{total} > {times}", True
        return (f"{total} != {times}", True) if leaf.times == 0 else (f"{total} = {times}", False)

    def _order_facts(self, leaves: dict[str, OrderLeaf]) -> str:
        columns, flags = ["origin_id"], []
        for index, (key, leaf) in enumerate(leaves.items()):
            condition = self._conditions.order(leaf)
            taken = f"countIf({condition})" if leaf.measure is Measure.COUNT else f"sumIf(total, {condition})"
            columns.append(f"{taken} AS n{index}")
            holds = f"sum(f.n{index}) {SYMBOLS[leaf.op]} {self.parameters.number(leaf.value)}"
            by_default = bool(_COMPARE[leaf.op](0, leaf.value))
            flags.append(f"{f'NOT ({holds})' if by_default else holds} AS d{index}")
            self._terms[key] = f"NOT o.d{index}" if by_default else f"o.d{index}"
        conditions = ["origin_id IS NOT NULL"]
        conditions += self._common_window("ordered_at", [leaf.window for leaf in leaves.values()])
        return self._mapped(self._read("orders", columns, conditions, group_by="origin_id"), flags)

    def _common_window(self, column: str, windows: list[Any]) -> list[str]:
        """Bounds that hold for every leaf, so that whole months are left unread."""
        starts = [lower_bound(window, self._now) for window in windows]
        bounds = [f"{column} <= {self.parameters.time(self._now)}"]
        if all(start is not None for start in starts):
            earliest = min(start for start in starts if start is not None)
            bounds.append(f"{column} >= {self.parameters.time(earliest)}")
        return bounds

    def _mapped(self, per_origin: str, flags: list[str]) -> str:
        """Facts of origins to facts of customers; rows in which no flag is set are dropped."""
        homes = self._read("origins", ["id", "customer_id"], [])
        any_flag = " OR ".join(f"d{index}" for index in range(len(flags)))
        return (
            f"SELECT ifNull(m.customer_id, f.origin_id) AS customer_id, {', '.join(flags)} FROM {per_origin} AS f"
            f" ANY LEFT JOIN {homes} AS m ON m.id = f.origin_id GROUP BY customer_id HAVING {any_flag}"
        )

    def _truth(self, tree: Tree) -> str:
        if isinstance(tree, Ref):
            return self._terms[tree.key]
        if isinstance(tree, Inverse):
            return f"NOT ({self._truth(tree.child)})"
        return "(" + (" AND " if tree.every else " OR ").join(self._truth(child) for child in tree.children) + ")"
