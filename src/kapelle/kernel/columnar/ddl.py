"""One description of a columnar table and its DDL for the embedded engine, a single server and a cluster.

Readers and writers use the same name everywhere: on a cluster `name` is Distributed over `name_local`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# fsync: a power loss must not take what the writer has ticked off (docs/adr/0003). The window makes insert tokens work.
SINGLE_SETTINGS: Mapping[str, str | int] = {
    "fsync_after_insert": 1,
    "fsync_part_directory": 1,
    "non_replicated_deduplication_window": 1000,
}
CLUSTER_SETTINGS: Mapping[str, str | int] = {"fsync_after_insert": 1, "fsync_part_directory": 1}
_REPLICA = "'/clickhouse/tables/{uuid}/{shard}', '{replica}'"


@dataclass(frozen=True)
class Table:
    """A MergeTree table. Columns are (name, type and codec); `order_by`, `partition_by`, `shard_key` are expressions.

    `engine` is `MergeTree` or `ReplacingMergeTree(version[, is_deleted])`. `shard_key` is what rows that must meet have
    in common; without one they lie anywhere (for tiny tables only: repeated inserts then do not meet their token).
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    order_by: tuple[str, ...]
    partition_by: str | None = None
    engine: str = "MergeTree"
    settings: Mapping[str, str | int] = field(default_factory=dict)
    shard_key: str | None = None


def create_statements(table: Table, *, cluster: str | None, database: str) -> list[str]:
    """The CREATE TABLE statements, in order; each may be repeated without harm."""
    if cluster is None:
        return [_create(table, f"{_quote(database)}.{_quote(table.name)}", table.engine, SINGLE_SETTINGS)]
    local = f"{table.name}_local"
    on_cluster = f" ON CLUSTER {_quote(cluster)}"
    key = f"cityHash64({table.shard_key})" if table.shard_key else "rand()"
    distributed = (
        f"CREATE TABLE IF NOT EXISTS {_quote(database)}.{_quote(table.name)}{on_cluster} ({_columns(table)})\n"
        f"ENGINE = Distributed({_text(cluster)}, {_text(database)}, {_text(local)}, {key})"
    )
    target = f"{_quote(database)}.{_quote(local)}{on_cluster}"
    return [_create(table, target, _replicated(table.engine), CLUSTER_SETTINGS), distributed]


def _create(table: Table, target: str, engine: str, settings: Mapping[str, str | int]) -> str:
    lines = [f"CREATE TABLE IF NOT EXISTS {target} ({_columns(table)})", f"ENGINE = {engine}"]
    if table.partition_by:
        lines.append(f"PARTITION BY {table.partition_by}")
    lines.append(f"ORDER BY ({', '.join(table.order_by)})")
    chosen = {**settings, **table.settings}
    values = (f"{name} = {value if isinstance(value, int) else _text(value)}" for name, value in chosen.items())
    lines.append(f"SETTINGS {', '.join(values)}")
    return "\n".join(lines)


def _columns(table: Table) -> str:
    return ", ".join(f"{_quote(name)} {kind}" for name, kind in table.columns)


def _replicated(engine: str) -> str:
    kind, _, arguments = engine.partition("(")
    rest = f", {arguments}" if arguments else ")"
    return f"Replicated{kind}({_REPLICA}{rest}"


def _quote(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
