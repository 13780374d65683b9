"""Tracking of mails: the open pixel and the click redirect. A target comes from our table, never from the request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from kapelle.edge.client import request_context
from kapelle.edge.database import DatabaseAway, Link
from kapelle.edge.http import NO_STORE, Busy, answer, answer_pixel
from kapelle.events.wire import FIND_LINK_SQL, RECEIPT_CLICK, RECEIPT_OPEN, Receipt, pack_row
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import Unavailable
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tracking import OPEN_LINK, read_token

if TYPE_CHECKING:
    from uuid import UUID

    from kapelle.edge.database import Connection
    from kapelle.edge.http import HttpScope, Send
    from kapelle.edge.inbox import InboxWriter
    from kapelle.kernel.tracking import Token

log = logging.getLogger("kapelle.edge.tracking")

OPEN_PREFIX, OPEN_SUFFIX = "/t/o/", ".gif"
CLICK_PREFIX = "/t/c/"

_SOURCE = "receipt:email"
_PATIENCE_SECONDS = 0.5
_MAX_LINKS = 50_000
_UNKNOWN_SECONDS = 5.0
_URL_SAFE = "%/:=&?~#+!$,;'@()*[]-._"
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>{title}</title>
<style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui,sans-serif;margin:15vh auto;max-width:32rem;
padding:0 1rem}}</style><h1>{title}</h1><p>{text}</p></html>"""
_BROKEN = _PAGE.format(
    title="This link does not work",
    text="It was cut short or changed on its way to you. Open the mail again and follow the link from there.",
)
_LATER = _PAGE.format(
    title="Please try again in a moment", text="We cannot look up where this link leads just now. The link is fine."
)


class Tracker:
    """Answers `/t/o/<token>.gif` and `/t/c/<token>`, and puts each hit on the event road."""

    def __init__(self, *, key: bytes, links: LinkBook, inbox: InboxWriter, behind_proxy: bool) -> None:
        self._key = key
        self._links = links
        self._inbox = inbox
        self._behind_proxy = behind_proxy

    async def handle(self, path: str, scope: HttpScope, send: Send) -> int:
        """Answer one hit; returns the status."""
        if scope["method"] not in {"GET", "HEAD"}:
            await answer(send, 405, b"", [(b"allow", b"GET, HEAD")])
            return 405
        if path.startswith(OPEN_PREFIX) and path.endswith(OPEN_SUFFIX):
            token = read_token(self._key, path[len(OPEN_PREFIX) : -len(OPEN_SUFFIX)])
            if token is not None and token.link == OPEN_LINK:
                await self._record(RECEIPT_OPEN, token, scope)
                await answer_pixel(send)
                return 200
        elif path.startswith(CLICK_PREFIX):
            token = read_token(self._key, path[len(CLICK_PREFIX) :])
            if token is not None and token.link != OPEN_LINK:
                return await self._redirect(token, scope, send)
        return await _answer_page(send, 404, _BROKEN)

    async def _redirect(self, token: Token, scope: HttpScope, send: Send) -> int:
        try:
            target = await self._links.find(token.workspace_id, token.link)
        except Unavailable:
            return await _answer_page(send, 503, _LATER)
        if target is None:
            return await _answer_page(send, 404, _BROKEN)
        await self._record(RECEIPT_CLICK, token, scope)
        await answer(send, 302, b"", [(b"location", target), NO_STORE, (b"referrer-policy", b"no-referrer")])
        return 302

    async def _record(self, kind: str, token: Token, scope: HttpScope) -> None:
        """Put the hit on its way; the person waits for it only a moment."""
        now = utc_now()
        context = request_context(scope, behind_proxy=self._behind_proxy, method=scope["method"])
        body = msgspec.json.encode(Receipt(send_id=token.send_id, link=token.link, at=now))
        try:
            future = self._inbox.submit(pack_row(token.workspace_id, uuid7(), kind, _SOURCE, now, context, body))
        except Busy:
            log.warning("a tracking hit was dropped: too many events wait")
            return
        done, _ = await asyncio.wait({future}, timeout=_PATIENCE_SECONDS)
        if done and future.exception() is not None:
            log.warning("a tracking hit was dropped: %s", future.exception())


class LinkBook:
    """Where links lead. A link never changes, so what is known stays known; bounded."""

    def __init__(self, link: Link) -> None:
        self._database = link
        self._lock = asyncio.Lock()
        self._targets: OrderedDict[tuple[UUID, int], bytes] = OrderedDict()
        self._unknown: OrderedDict[tuple[UUID, int], float] = OrderedDict()

    async def find(self, workspace_id: UUID, number: int) -> bytes | None:
        """The target as bytes for a Location header, None if there is none; raises Unavailable."""
        place = (workspace_id, number)
        if (target := self._targets.get(place)) is not None:
            self._targets.move_to_end(place)
            return target
        if time.monotonic() - self._unknown.get(place, -_UNKNOWN_SECONDS) < _UNKNOWN_SECONDS:
            return None
        async with self._lock:
            if place in self._targets:
                return self._targets[place]
            try:
                url = await self._database.run(lambda connection: _find_link(connection, workspace_id, number))
            except DatabaseAway as error:
                raise Unavailable("The link cannot be looked up at the moment.", retry_after=2) from error
        if url is None or not url.startswith(("http://", "https://")):
            self._unknown[place] = time.monotonic()
            if len(self._unknown) > _MAX_LINKS:
                self._unknown.popitem(last=False)
            return None
        self._targets[place] = target = quote(url, safe=_URL_SAFE).encode()
        if len(self._targets) > _MAX_LINKS:
            self._targets.popitem(last=False)
        return target

    async def stop(self) -> None:
        """Close the connection."""
        await self._database.close()


async def _find_link(connection: Connection, workspace_id: UUID, number: int) -> str | None:
    cursor = await connection.execute(FIND_LINK_SQL, [workspace_id, number])
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


async def _answer_page(send: Send, status: int, page: str) -> int:
    headers = [(b"content-type", b"text/html; charset=utf-8"), NO_STORE]
    if status == 503:  # noqa: PLR2004  # Service Unavailable
        headers.append((b"retry-after", b"2"))
    await answer(send, status, page.encode(), headers)
    return status
