"""Which records are compared at all: those that share a key, within a budget of pairs a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.customers.tasks.linkage import model

if TYPE_CHECKING:
    import duckdb

    from kapelle.customers.tasks.linkage.records import Records

PAIRS_A_RECORD = 20
_LEAST_PAIRS = 200_000

# Values that few share first: they tell most, and cost least.
_KEEP = """
CREATE TEMP TABLE kept_{name} AS SELECT key FROM (
    SELECT key, sum(records * (records - 1) // 2) OVER (ORDER BY records, key) AS pairs FROM (
        SELECT {expression} AS key, count(*) AS records FROM raw GROUP BY ALL HAVING key IS NOT NULL AND records > 1
    )
) WHERE pairs <= {budget}
"""
_IS_CUT = """
SELECT (SELECT count(*) FROM kept_{name}) < (
    SELECT count(*) FROM (SELECT {expression} AS key FROM raw GROUP BY ALL HAVING key IS NOT NULL AND count(*) > 1))
"""


def load(database: duckdb.DuckDBPyConnection, records: Records) -> dict[str, bool]:
    """Make the table `records` with a column `key_<name>` for each key that is used; says whether each was cut."""
    database.register("arrow", records.table)
    database.execute("CREATE TEMP TABLE raw AS SELECT * FROM arrow")
    database.unregister("arrow")
    budget = max(_LEAST_PAIRS, PAIRS_A_RECORD * records.table.num_rows)
    is_cut: dict[str, bool] = {}
    expressions = model.keys(len(records.attributes))
    for name, (expression, instead_of) in expressions.items():
        if instead_of and not is_cut[instead_of]:
            continue  # all pairs of this key are found already
        database.execute(_KEEP.format(name=name, expression=expression, budget=budget))
        (cut,) = database.execute(_IS_CUT.format(name=name, expression=expression)).fetchall()[0]
        is_cut[name] = bool(cut)
    columns = "".join(f", kept_{name}.key AS key_{name}" for name in is_cut)
    joins = " ".join(f"LEFT JOIN kept_{name} ON kept_{name}.key = {expressions[name][0]}" for name in is_cut)
    database.execute(f"CREATE TABLE records AS SELECT raw.*{columns} FROM raw {joins}")
    database.execute("DROP TABLE raw")
    return is_cut
