"""The DDL runs on the embedded engine, and parses for a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kapelle.kernel.columnar.ddl import Table, create_statements

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client as Driver

EVENTS = Table(
    name="events_ddl",
    columns=(
        ("workspace_id", "UUID"),
        ("origin_id", "UUID"),
        ("at", "DateTime64(6, 'UTC')"),
        ("properties", "String CODEC(ZSTD(1))"),
        ("numbers", "Map(LowCardinality(String), Float64)"),
        ("version", "UInt64"),
        ("is_deleted", "UInt8 DEFAULT 0"),
    ),
    order_by=("workspace_id", "toDate(at)", "origin_id"),
    partition_by="toYYYYMM(at)",
    engine="ReplacingMergeTree(version, is_deleted)",
    settings={"index_granularity": 4096},
    shard_key="origin_id",
)
PLAIN = Table(name="plain_ddl", columns=(("id", "UInt64"),), order_by=("id",))


def test_the_same_statement_can_be_run_twice_on_the_embedded_engine(db: Driver) -> None:
    for table in (EVENTS, PLAIN):
        for statement in create_statements(table, cluster=None, database="kapelle") * 2:
            db.command(statement)
    made = db.query("SELECT name, engine_full FROM system.tables WHERE name LIKE '%_ddl' ORDER BY name").result_rows
    assert [name for name, _ in made] == ["events_ddl", "plain_ddl"]
    assert "PARTITION BY toYYYYMM(at)" in made[0][1]
    assert "fsync_after_insert = 1" in made[1][1]
    assert "non_replicated_deduplication_window = 1000" in made[1][1]


@pytest.mark.parametrize("table", [EVENTS, PLAIN], ids=lambda table: table.name)
def test_the_cluster_statements_parse_and_keep_the_readers_name(db: Driver, table: Table) -> None:
    local, distributed = create_statements(table, cluster="main's", database="kapelle")
    parsed = [
        db.query("SELECT formatQuery({sql:String})", {"sql": sql}).result_rows[0][0] for sql in (local, distributed)
    ]
    assert f"CREATE TABLE IF NOT EXISTS kapelle.{table.name}_local ON CLUSTER `main's`" in parsed[0]
    assert f"CREATE TABLE IF NOT EXISTS kapelle.{table.name} ON CLUSTER `main's`" in parsed[1]
    for sql in (local, distributed):
        assert "CreateQuery" in str(db.command(f"EXPLAIN AST {sql}"))


def test_a_cluster_replicates_each_shard_and_spreads_rows_by_the_shard_key() -> None:
    local, distributed = create_statements(EVENTS, cluster="main", database="kapelle")
    assert (
        "ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', version, is_deleted)" in local
    )
    assert "non_replicated" not in local
    assert distributed.endswith("ENGINE = Distributed('main', 'kapelle', 'events_ddl_local', cityHash64(origin_id))")
    plain_local, _ = create_statements(PLAIN, cluster="main", database="kapelle")
    assert "ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')\n" in plain_local
