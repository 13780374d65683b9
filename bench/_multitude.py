"""A multitude of customers within minutes: two whom the product's own road made, written down again with other names.

Every row that the road wrote for the two (customer, identifiers with their facets, links, contact points, events, the
order) is copied by SQL; number, ids, times and batch are put in anew. Indexes and foreign keys are made afterwards,
which checks them. `differences` compares copies with customers whom the road makes of the same messages.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from harness import wait_until
from kapelle.kernel import config as kernel_config
from kapelle.kernel.postgres import database_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness import Live

    Send = Callable[[list[dict[str, Any]]], None]
    Database = psycopg.Connection[Any]

# Eight digits that stand in all that is one customer's own. Copies count on from here.
KNOWN, VISITOR = 10_000_000, 50_000_000
ONE_IN = 4  # customers was a visitor first, and bought something
BATCH = 10_000  # customers
_HEAVY = ("customers", "identifiers", "identity_links", "contact_points", "orders", "order_lines")
_ORIGINS = "SELECT id FROM identifiers WHERE customer_id = %s"
_OF_CUSTOMER = {
    "customers": "id = %s",
    "identifiers": "customer_id = %s",
    "identity_links": f"strong_id IN ({_ORIGINS})",
    "contact_points": f"origin_id IN ({_ORIGINS})",
    "orders": f"origin_id IN ({_ORIGINS})",
    "order_lines": f"order_id IN (SELECT id FROM orders WHERE origin_id IN ({_ORIGINS}))",
    "order_statuses": f"order_id IN (SELECT id FROM orders WHERE origin_id IN ({_ORIGINS}))",
    "events": f"origin_id IN ({_ORIGINS})",
}
_COLUMNS = """
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''
"""
_BATCHES = """
WITH made AS (
    INSERT INTO batches (workspace_id, source, tables, opened_at)
    SELECT %s, 'bench', '{}', now() FROM generate_series(0, %s) RETURNING id
) SELECT min(id) FROM made
"""
_TELL_COLUMNAR = """
WITH told AS (SELECT batch_id, count(*) AS rows FROM {source} WHERE batch_id >= %(low)s GROUP BY 1),
queued AS (
    INSERT INTO columnar_queue (workspace_id, table_name, batch_id, rows)
    SELECT %(workspace)s, %(table)s, batch_id, rows FROM told
)
UPDATE batches b SET tables = tables || jsonb_build_object(%(table)s::text, rows) FROM told WHERE b.id = batch_id
"""
_MIRRORED = {
    "customers": "customers",
    "orders": "orders",
    "events": "events",
    "origins": "(SELECT batch_id FROM identifiers WHERE is_origin AND is_moved) i",
}
_CONSTRAINTS = """
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = ANY(%s) AND (conrelid::regclass::text = ANY(%s) OR confrelid::regclass::text = ANY(%s))
"""
_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid::regclass::text = ANY(%s)
"""
_MORE_EVENTS = """
INSERT INTO events (workspace_id, id, origin_id, batch_id, kind, name, occurred_at, received_at, message_id, source,
                    properties, context)
SELECT workspace_id, gen_random_uuid(), origin_id, %(batch)s, kind, %(name)s,
       now() - %(span)s::interval * n / %(count)s, received_at, origin_id || '-' || n, source, properties, context
FROM generate_series(1, %(count)s) n, (SELECT * FROM events WHERE message_id = %(mold)s) mold
"""
# What differs between any two: moments, and the device, which is made of the anonymous id (copies share one).
_OWN = re.compile(r'\d{4}-\d\d-\d\dT[\d:.]+\+00:00|(?<="device": ")[0-9a-f]{16}')


def messages(number: int, *, is_visitor: bool = False) -> list[dict[str, Any]]:
    """What the customer of this number sends. Phones are German mobiles: +49 15 and eight digits."""
    user = f"u{number}"
    traits = {
        "email": f"u{number}@example.test", "phone": f"+4915{number}", "firstName": f"Anna {number}",
        "lastName": f"Berg {number}", "city": "Bonn", "points": 7,
    }  # fmt: skip
    told: list[dict[str, Any]] = [
        {"type": "identify", "messageId": f"i{number}", "userId": user, "traits": traits},
        {"type": "track", "messageId": f"t{number}", "userId": user, "event": "Shop Entered", "properties": {"n": 1}},
    ]
    if is_visitor:
        lamps = [{"product_id": "lamp", "quantity": 2, "price": 10}]
        order = {"order_id": f"o{number}", "total": 20, "products": lamps}
        told[0]["anonymousId"] = f"a{number}"
        told.insert(0, {"type": "page", "messageId": f"p{number}", "anonymousId": f"a{number}"})
        told.append({"type": "track", "messageId": f"b{number}", "userId": user, "event": "Order Completed",
                     "properties": order})  # fmt: skip
    return told


def owner(live: Live, workspace_id: UUID) -> Database:
    """A connection as the tables' owner, in the workspace's scope."""
    database = psycopg.connect(database_url(kernel_config.load(live.environment)), autocommit=True)
    database.execute("SELECT set_config('kapelle.workspace', %s, false)", [str(workspace_id)])
    return database


def multiply(database: Database, workspace_id: UUID, count: int, send: Send) -> float:
    """So many customers; gives the seconds that the copies took."""
    for first in (KNOWN, VISITOR):
        send(messages(first, is_visitor=first == VISITOR))
        _wait_for(database, first)
    began = time.monotonic()
    visitors = count // ONE_IN
    with _without_indexes(database):
        _copy(database, workspace_id, KNOWN, count - visitors)
        _copy(database, workspace_id, VISITOR, visitors)
    database.execute(f"VACUUM (ANALYZE) {', '.join(_OF_CUSTOMER)}")
    return time.monotonic() - began


def add_events(
    database: Database, workspace_id: UUID, numbers: Sequence[int], count: int, name: str, *, days: int = 20
) -> None:
    """So many more events for each of these customers, spread over the last days."""
    for month in range(days // 28 + 2):
        database.execute("SELECT ensure_events_partition((now() - make_interval(months => %s))::date)", [month])
    ((batch,),) = database.execute(_BATCHES, [workspace_id, 0]).fetchall()
    for number in numbers:
        parameters = {"batch": batch, "name": name, "span": f"{days} days", "count": count, "mold": f"t{number}"}
        database.execute(_MORE_EVENTS, parameters)
    _tell_columnar(database, workspace_id, batch, "events")
    database.execute("ANALYZE events")


def differences(database: Database, pairs: Sequence[tuple[int, int]]) -> list[str]:
    """What tells copies from those whom the road made, (copy, made) each."""
    found = []
    for copy, made in pairs:
        both = _rows(database, copy), _rows(database, made)
        found += [f"{copy} alone: {row}" for row in both[0] if row not in both[1]]
        found += [f"{made} alone: {row}" for row in both[1] if row not in both[0]]
    return found


def _rows(database: Database, number: int) -> list[str]:
    """All rows of a customer without what must differ: ids by the kind of identifier that they are, no times."""
    home = _wait_for(database, number)
    kinds = dict(database.execute("SELECT id, kind FROM identifiers WHERE customer_id = %s", [home]).fetchall())
    found = []
    for table, condition in _OF_CUSTOMER.items():
        rows = database.execute(f"SELECT to_jsonb(t) - 'batch_id' FROM {table} t WHERE {condition}", [home])
        for (row,) in rows.fetchall():
            text = json.dumps({name: _named(value, kinds) for name, value in row.items()}, sort_keys=True)
            found.append(f"{table} {_OWN.sub('own', text.replace(str(number), 'N'))}")
    return sorted(found)


def _named(value: Any, kinds: dict[UUID, str]) -> Any:
    try:
        return kinds.get(UUID(value), "an id") if isinstance(value, str) else value
    except ValueError:
        return value


def _wait_for(database: Database, number: int) -> UUID:
    """The customer, once the road has brought all of it home."""
    sql = "SELECT customer_id FROM identifiers WHERE kind = 'user_id' AND value = %s"
    wait_until(lambda: bool(database.execute(sql, [f"u{number}"]).fetchall()), seconds=60, what=f"customer {number}")
    ((home,),) = database.execute(sql, [f"u{number}"]).fetchall()
    return UUID(str(home))


@contextmanager
def _without_indexes(database: Database) -> Iterator[None]:
    """Inside, the heavy tables have no indexes, foreign keys and triggers."""
    heavy = list(_HEAVY)
    again = [f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in _HEAVY]
    for table in _HEAVY:
        database.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")  # what they write is copied too
    constraints: list[str] = []
    for kinds in (["f"], ["p", "u"]):
        for table, name, text in database.execute(_CONSTRAINTS, [kinds, heavy, heavy]).fetchall():
            constraints.insert(0, f"ALTER TABLE {table} ADD CONSTRAINT {name} {text}")
            database.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for name, text in database.execute(_INDEXES, [heavy]).fetchall():
        again.append(text)
        database.execute(f"DROP INDEX {name}")
    try:
        yield
    finally:
        for statement in [*again, *constraints]:
            database.execute(statement)


def _copy(database: Database, workspace_id: UUID, first: int, count: int) -> None:
    """The customer whose number is `first` written down `count - 1` more times, and what columnar must know."""
    home = _wait_for(database, first)
    ((lowest,),) = database.execute(_BATCHES, [workspace_id, count // BATCH]).fetchall()
    for table, condition in _OF_CUSTOMER.items():
        columns = dict(database.execute(_COLUMNS, [table]).fetchall())
        made = [_made_anew(name, kind, first, lowest) for name, kind in columns.items()]
        mold = f"SELECT * FROM {table} WHERE {condition}"
        database.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(made)}"
            f" FROM ({mold}) mold, generate_series(1, {count - 1}) n",
            [home],
        )
    for table in _MIRRORED:
        _tell_columnar(database, workspace_id, lowest, table)


def _made_anew(name: str, kind: str, first: int, lowest: int) -> str:
    """SQL of a column of copy `n`."""
    if name == "batch_id":
        return f"{lowest} + n / {BATCH}"
    if kind == "uuid" and name != "workspace_id":
        return f"overlay({name}::text PLACING lpad(to_hex(n), 8, '0') FROM 29)::uuid"
    if kind == "timestamp with time zone":
        return f"{name} - make_interval(secs => n / {BATCH})"
    if kind in {"text", "character varying", "jsonb"}:
        return f"replace({name}::text, '{first}', ({first} + n)::text)::{kind}"
    return name


def _tell_columnar(database: Database, workspace_id: UUID, lowest: int, table: str) -> None:
    sql = _TELL_COLUMNAR.format(source=_MIRRORED[table])
    database.execute(sql, {"low": lowest, "workspace": workspace_id, "table": table})
