"""How columnar mirrors `events`: its table there and the SELECT that feeds it."""

from __future__ import annotations

from kapelle.events.contracts import Mirror
from kapelle.kernel.columnar.ddl import Table

# The numbers of an event's top level, taken out once at insert: a condition on one then reads a tenth of the bytes.
# Decimal, so that money compares exactly; what is no number, or has more than 29 digits before the point, is left out.
_NUMBERS = (
    "Map(LowCardinality(String), Decimal(38, 9)) MATERIALIZED CAST(CAST("
    "arrayFilter(pair -> isNotNull(pair.2), arrayMap(pair -> (pair.1, toDecimal128OrNull(pair.2, 9)), "
    "JSONExtractKeysAndValuesRaw(properties))) AS Array(Tuple(String, Decimal(38, 9)))) "
    "AS Map(LowCardinality(String), Decimal(38, 9)))"
)

EVENTS = Mirror(
    table=Table(
        name="events",
        columns=(
            ("workspace_id", "UUID"),
            ("name", "LowCardinality(String)"),
            ("bucket", "UInt8 MATERIALIZED cityHash64(origin_id) % 64"),  # a sample is a range of the sort key
            ("origin_id", "UUID"),
            ("occurred_at", "DateTime64(6, 'UTC')"),
            ("received_at", "DateTime64(6, 'UTC')"),
            ("id", "UUID"),
            ("kind", "LowCardinality(String)"),
            ("source", "LowCardinality(String)"),
            ("properties", "String CODEC(ZSTD(1))"),
            ("numbers", _NUMBERS),
            ("batch_id", "UInt64"),
        ),
        engine="MergeTree",
        partition_by="toYYYYMM(occurred_at)",
        order_by=("workspace_id", "name", "bucket", "origin_id", "occurred_at"),
        shard_key="origin_id",
    ),
    columns=(
        "workspace_id",
        "name",
        "origin_id",
        "occurred_at",
        "received_at",
        "id",
        "kind",
        "source",
        "properties",
        "batch_id",
    ),
    select="""
        SELECT workspace_id, name, origin_id, occurred_at AT TIME ZONE 'UTC', received_at AT TIME ZONE 'UTC', id, kind,
               source, properties, batch_id
        FROM events WHERE batch_id = ANY({batches})
    """,
    is_replacing=False,
)
