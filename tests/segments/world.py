"""Random shops for the tests of the rule compiler: customers with merges, events, orders, full of awkward values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import connection

from kapelle.events.actions import close_batch, open_batch
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from random import Random
    from uuid import UUID

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TRICKY = [
    "",
    "a",
    "A",
    "ab",
    "é",
    "Жук",
    "o'b",
    '"q"',
    "back\\slash",
    "tab\there",
    "line\nbreak",
    "{p0:String}",
    "%",
    "5",
]
CITIES = ["Berlin", "Oslo", "Köln", "O'Fallon", ""]
EVENT_NAMES = ["Viewed", "Bought", "It's {p1:String}", "Жук"]
STATUSES = ["paid", "canceled", "new"]
NUMBERS = [
    0,
    1,
    2,
    5,
    10,
    -3,
    9.99,
    10.0,
    0.1,
    0.3,
    1e3,
    2.5,
    0.1234567891,
    -0.0000000001,
    123456789012,
    1e20,
    -(2**63) - 1,
    2**64 - 1,
]
KEYS = ["price", "sku", "it's", "deep", "list", "flag", "two words"]
TIMES = [
    NOW + offset
    for offset in (
        timedelta(0),
        timedelta(microseconds=1),
        timedelta(days=-30),
        timedelta(days=-30, microseconds=1),
        timedelta(days=-30, microseconds=-1),
        timedelta(days=-7),
        timedelta(hours=-1),
        timedelta(days=-400),
        timedelta(days=-90, seconds=1),
        timedelta(hours=5),
    )
]


@dataclass
class World:
    customers: list[dict[str, Any]] = field(default_factory=list)
    homes: dict[UUID, UUID] = field(default_factory=dict)  # the customer that each origin leads to
    events: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)


def random_value(random: Random) -> Any:
    return random.choice(
        [
            random.choice(NUMBERS),
            random.choice(TRICKY),
            random.choice([True, False, None]),
            [random.choice(TRICKY), random.choice(NUMBERS)],
            {"b": random.choice(NUMBERS), "c": {"d": random.choice(TRICKY)}},
        ]
    )


def random_object(random: Random) -> dict[str, Any]:
    return {key: random_value(random) for key in random.sample(KEYS, random.randint(0, 5))}


def random_world(random: Random) -> World:
    world = World()
    for _ in range(random.randint(1, 14)):
        world.customers.append(
            {
                "id": uuid7(),
                "merged_into": None,
                "is_identified": random.random() < 0.6,
                "created_at": random.choice(TIMES),
                "registered_at": random.choice([None, *TIMES]),
                "birth_date": random.choice([None, "1980-02-29", "1999-12-31", "0999-01-01"]),
                "city": random.choice(CITIES),
                "email": random.choice(["", "a@example.test", "o'b@example.test"]),
                "attributes": random_object(random),
            }
        )
    _merge_some(random, world)
    for customer in world.customers:
        home = customer["merged_into"] or customer["id"]
        world.homes.update(dict.fromkeys([customer["id"], *(uuid7() for _ in range(random.randint(0, 2)))], home))
    origins = list(world.homes)
    for _ in range(random.randint(0, 60)):
        world.events.append(
            {
                "origin": random.choice([*origins, uuid7()]),
                "name": random.choice(EVENT_NAMES),
                "at": random.choice(TIMES),
                "properties": random_object(random),
            }
        )
    for _ in range(random.randint(0, 20)):
        world.orders.append(
            {
                "origin": random.choice([*origins, None]),
                "status": random.choice(STATUSES),
                "at": random.choice(TIMES),
                "total": random.choice([Decimal(0), Decimal("9.99"), Decimal("0.0001"), Decimal(100), Decimal("-5.5")]),
                "currency": random.choice(["EUR", "USD"]),
            }
        )
    return world


def _merge_some(random: Random, world: World) -> None:
    for loser in world.customers:
        winners = [c for c in world.customers if c["merged_into"] is None and c is not loser]
        if winners and random.random() < 0.3 and not any(c["merged_into"] == loser["id"] for c in world.customers):
            loser["merged_into"] = random.choice(winners)["id"]


def store(world: World, workspace_id: UUID) -> None:
    """Into PostgreSQL, as one batch."""
    with workspace_scope(workspace_id), connection.cursor() as cursor:
        for month in {event["at"].date().replace(day=1) for event in world.events}:
            cursor.execute("SELECT ensure_events_partition(%s)", [month])
        batch = open_batch(source="test", now=NOW)
        for row in world.customers:
            cursor.execute(
                "INSERT INTO customers (id, workspace_id, batch_id, merged_into, is_identified, created_at, updated_at,"
                " registered_at, birth_date, city, email, attributes, provenance, external_id, phone, first_name,"
                " middle_name, last_name, gender, language, time_zone, country, region, ip, device_type, screen, os,"
                " browser, browser_version, comment) VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,'{}'"
                + ",''" * 17
                + ")",
                [
                    row["id"], workspace_id, batch.id, row["merged_into"], row["is_identified"], row["created_at"], NOW,
                    row["registered_at"], row["birth_date"], row["city"], row["email"], json.dumps(row["attributes"]),
                ],
            )  # fmt: skip
        for origin, home in world.homes.items():
            cursor.execute(
                "INSERT INTO identifiers (id, workspace_id, batch_id, kind, value, customer_id, source, first_seen_at,"
                " is_origin, is_moved) VALUES (%s, %s, %s, 'user_id', %s, %s, 'test', %s, true, %s)",
                [origin, workspace_id, batch.id, str(origin), home, NOW, origin != home],
            )
        for row in world.events:
            cursor.execute(
                "INSERT INTO events VALUES (%s,%s,%s,%s,'track',%s,%s,%s,'m','key:test',%s,'{}')",
                [
                    workspace_id, uuid7(), row["origin"], batch.id, row["name"], row["at"], NOW,
                    json.dumps(row["properties"]),
                ],
            )  # fmt: skip
        for row in world.orders:
            cursor.execute(
                "INSERT INTO orders (id, workspace_id, batch_id, external_id, origin_id, status, ordered_at, currency,"
                " total, returned_total, attributes, source, created_at, updated_at)"
                " VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s,0,'{}','test',%s,%s)",
                [
                    uuid7(), workspace_id, batch.id, str(uuid7()), row["origin"], row["status"], row["at"],
                    row["currency"], row["total"], NOW, NOW,
                ],
            )  # fmt: skip
        moved = sum(origin != home for origin, home in world.homes.items())
        rows = {"customers": world.customers, "events": world.events, "orders": world.orders}
        close_batch(batch, {"origins": moved, **{name: len(listed) for name, listed in rows.items()}})
