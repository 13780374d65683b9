"""`/healthz`: alive. `/readyz`: PostgreSQL and web can serve too. `/metrics`: the edge's figures."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.edge.database import DatabaseAway, Link
from kapelle.edge.http import JSON, NO_STORE, answer
from kapelle.edge.upstream import Upstream, UpstreamAway, request_head

if TYPE_CHECKING:
    from kapelle.edge.database import Connection
    from kapelle.edge.http import Send
    from kapelle.edge.inbox import InboxWriter
    from kapelle.edge.metrics import EdgeMetrics

log = logging.getLogger("kapelle.edge.health")

PATHS = frozenset({"/healthz", "/readyz", "/metrics"})

_WEB_SECONDS = 5.0
_OK = 200
_UNAVAILABLE = 503
_MAX_ANSWER = 100_000
_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


class Health:
    """Answers about the edge and what stands behind it."""

    def __init__(self, *, database: Link, upstream: Upstream, inbox: InboxWriter, metrics: EdgeMetrics) -> None:
        self._database = database
        self._asking_database = asyncio.Lock()
        self._upstream = upstream
        self._inbox = inbox
        self._metrics = metrics
        self._away: set[str] = set()  # what has been reported, so that it is said once and not at every question

    async def handle(self, path: str, send: Send) -> int:
        """Answer one of PATHS; returns the status."""
        if path == "/healthz":
            await answer(send, _OK, b'{"status":"ok"}', [JSON, NO_STORE])
            return _OK
        if path == "/metrics":
            await answer(send, _OK, self._metrics.text(), [_TEXT, NO_STORE])
            return _OK
        database, (web_ok, web) = await asyncio.gather(self._ask_database(), self._ask_web())
        is_ready = database == "ok" and web_ok
        body = {
            "status": "ok" if is_ready else "unavailable",
            "postgres": database,
            "web": web,
            "spilling": self._inbox.is_away,
        }
        status = _OK if is_ready else _UNAVAILABLE
        await answer(send, status, msgspec.json.encode(body), [JSON, NO_STORE])
        return status

    def _note(self, part: str, error: Exception | None) -> None:
        if error is None:
            self._away.discard(part)
        elif part not in self._away:
            self._away.add(part)
            log.info("%s is away: %s", part, error or "no answer in time")

    async def stop(self) -> None:
        """Close the connection."""
        await self._database.close()

    async def _ask_database(self) -> str:
        async with self._asking_database:
            try:
                await self._database.run(_select_one)
            except DatabaseAway as error:
                self._note("PostgreSQL", error)
                return "away"  # strangers may ask: no addresses
        self._note("PostgreSQL", None)
        return "ok"

    async def _ask_web(self) -> tuple[bool, Any]:
        """Web's own /readyz: whether it answers 200, and what it says."""
        head = request_head("GET", b"/readyz", [(b"host", b"edge")])
        try:
            async with asyncio.timeout(_WEB_SECONDS):
                exchange = await self._upstream.send(head, None, method="GET")
                body = b""
                async for chunk in exchange.body():
                    body += chunk
                    if len(body) > _MAX_ANSWER:
                        break
        except (UpstreamAway, TimeoutError) as error:
            self._note("web", error)
            return False, "away"
        self._note("web", None)
        try:
            said = msgspec.json.decode(body)
        except msgspec.DecodeError:
            said = f"status {exchange.status}"
        return exchange.status == _OK, said


async def _select_one(connection: Connection) -> None:
    await connection.execute("SELECT 1")
