"""The way of an event without an edge: requests go straight into the inbox, a projector brings them home."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import psycopg
from django.db import connection

from kapelle.customers.actions import EventResolver, ProfileProjection
from kapelle.customers.models import Customer
from kapelle.events.tasks.projector import Projector
from kapelle.events.wire import COPY_HEADER, COPY_INBOX_SQL, COPY_TRAILER, pack_row
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.events.contracts import Gate, Projection, Resolver


class Request(NamedTuple):
    """What the edge stores of one request."""

    workspace_id: UUID
    receipt_id: UUID
    kind: str
    source: str
    received_at: datetime
    context: bytes
    body: bytes


class Road:
    """One workspace's traffic. Names of people come back as sets of identifiers, so that ids do not matter."""

    def __init__(self, dsn: str, workspace_id: UUID, now: datetime) -> None:
        self.dsn = dsn
        self.workspace_id = workspace_id
        self.now = now

    def send(self, *messages: dict[str, Any], received_at: datetime | None = None, context: Any = None) -> None:
        """One request with these messages, into the inbox."""
        self.send_rows([self.row(*messages, received_at=received_at, context=context)])

    def row(self, *messages: dict[str, Any], received_at: datetime | None = None, context: Any = None) -> Request:
        body = msgspec.json.encode({"batch": messages})
        when, seen = received_at or self.now, msgspec.json.encode(context or {})
        return Request(self.workspace_id, uuid7(), "batch", "key:kw_test", when, seen, body)

    def send_rows(self, rows: Sequence[Request]) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as edge:
            edge.execute("SET ROLE kapelle_edge")
            with edge.cursor().copy(COPY_INBOX_SQL) as copy:
                copy.write(COPY_HEADER + b"".join(pack_row(*row) for row in rows) + COPY_TRAILER)

    def project(
        self,
        resolvers: Sequence[Resolver] = (EventResolver(),),
        projections: Sequence[Projection] = (ProfileProjection(),),
        clock: Callable[[], datetime] | None = None,
        gates: Sequence[Gate] = (),
    ) -> None:
        """Until the inbox is empty."""
        projector = Projector(resolvers, projections, clock or (lambda: self.now), gates)
        while projector.step():
            pass

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """A SELECT inside the workspace's scope."""
        with workspace_scope(self.workspace_id), connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())

    def people(self) -> set[frozenset[tuple[str, str]]]:
        """Everybody who is not merged away, as the set of all identifiers that lead to them."""
        return set(self._names().values())

    def events_of(self) -> dict[frozenset[tuple[str, str]], list[str]]:
        """Message ids by person."""
        names = self._names()
        found: dict[frozenset[tuple[str, str]], list[str]] = {}
        for home, message_id in self.rows(
            "SELECT i.customer_id, e.message_id FROM events e JOIN identifiers i ON i.id = e.origin_id"
        ):
            found.setdefault(names[home], []).append(message_id)
        return {person: sorted(ids) for person, ids in found.items()}

    def _names(self) -> dict[UUID, frozenset[tuple[str, str]]]:
        found: dict[UUID, set[tuple[str, str]]] = {}
        sql = "SELECT customer_id, kind, value FROM identifiers WHERE customer_id IS NOT NULL"
        for home, kind, value in self.rows(sql):
            found.setdefault(home, set()).add((kind, value))
        return {home: frozenset(names) for home, names in found.items()}

    def profile(self, **identifier: str) -> dict[str, Any]:
        """The row of the customer who is known by `user_id="u1"` or the like."""
        ((kind, value),) = identifier.items()
        ((customer_id,),) = self.rows("SELECT customer_id FROM identifiers WHERE kind = %s AND value = %s", kind, value)
        with workspace_scope(self.workspace_id):
            return dict(Customer.objects.filter(id=customer_id).values().get())

    def quarantined(self) -> list[str]:
        return [code for (code,) in self.rows("SELECT code FROM quarantined_events ORDER BY code")]


def track(message_id: str, *, at: datetime | None = None, event: str = "Viewed", **fields: Any) -> dict[str, Any]:
    """A track call; `user` and `anonymous` are short for userId and anonymousId."""
    return _message("track", message_id, at, {"event": event, **fields})


def identify(message_id: str, *, at: datetime | None = None, **fields: Any) -> dict[str, Any]:
    return _message("identify", message_id, at, fields)


def alias(message_id: str, *, at: datetime | None = None, **fields: Any) -> dict[str, Any]:
    return _message("alias", message_id, at, fields)


def _message(kind: str, message_id: str, at: datetime | None, fields: dict[str, Any]) -> dict[str, Any]:
    names = {"user": "userId", "anonymous": "anonymousId", "previous": "previousId"}
    message = {"type": kind, "messageId": message_id, **{names.get(key, key): value for key, value in fields.items()}}
    return message | ({"timestamp": at.isoformat()} if at else {})


def minutes(start: datetime, count: float) -> datetime:
    return start + timedelta(minutes=count)
