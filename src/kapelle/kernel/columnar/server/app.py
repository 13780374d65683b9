"""The bare ASGI application: authentication, a bounded number of running calls, ping and metrics."""

from __future__ import annotations

import asyncio
import logging
import secrets
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kapelle.kernel.columnar.server import request as requests
from kapelle.kernel.columnar.server.exchange import Exchange
from kapelle.kernel.columnar.server.faults import (
    AUTHENTICATION_FAILED,
    TOO_MANY_QUERIES,
    UNKNOWN_EXCEPTION,
    EngineFault,
)

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from kapelle.kernel.columnar.server.exchange import Receive, Send
    from kapelle.kernel.columnar.server.profile import Limits
    from kapelle.kernel.columnar.server.request import Request
    from kapelle.kernel.columnar.server.service import Service

_log = logging.getLogger(__name__)
_PAGE = 4096


class App:
    """Answers ClickHouse's HTTP interface for one engine."""

    def __init__(self, service: Service, token: str, limits: Limits) -> None:
        self._service = service
        self._token = token.encode()
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.running)
        self._waiting = 0
        self._running = 0
        self._served = 0
        self._refused = 0
        self._threads = ThreadPoolExecutor(limits.running, thread_name_prefix="call")
        self._side = ThreadPoolExecutor(4, thread_name_prefix="side")

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] in ("/ping", "/replicas_status") or (scope["path"] == "/" and _is_bare_get(scope)):
            await _plain(send, 200, b"Ok.\n")
        elif scope["path"] == "/metrics":
            await _plain(send, 200, self.metrics().encode())
        elif scope["path"] not in ("/", "/query"):
            await _plain(send, 404, b"There is nothing here.\n")
        else:
            await self._call(scope, receive, send)

    async def _call(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        exchange = Exchange(receive, send)
        try:
            request = requests.read(scope)
            self._authenticate(request)
            if self._slots.locked() and self._waiting >= self._limits.waiting:
                raise EngineFault(
                    TOO_MANY_QUERIES, f"Too many simultaneous queries: {self._running} run, {self._waiting} wait"
                )
        except EngineFault as fault:
            self._refused += 1
            bare = requests.Request(scope["method"], "/", {})
            await asyncio.get_running_loop().run_in_executor(self._side, self._service.fail, exchange, bare, fault)
            return
        request.query_id = request.query_id or str(uuid.uuid4())
        await self._serve(exchange, request)

    async def _serve(self, exchange: Exchange, request: Request) -> None:
        call = secrets.token_hex(12)
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        async def on_gone() -> None:
            # Repeated, since the query may only just be about to start.
            while not done.is_set():
                await loop.run_in_executor(self._side, self._service.engine.kill, call)
                await asyncio.sleep(0.2)

        watching = loop.create_task(exchange.watch(on_gone))
        try:
            await self._acquire()
            self._running += 1
            try:
                await loop.run_in_executor(self._threads, self._safely, exchange, request, call)
            finally:
                self._running -= 1
                self._served += 1
                self._slots.release()
        finally:
            done.set()
            watching.cancel()

    async def _acquire(self) -> None:
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1

    def _safely(self, exchange: Exchange, request: Request, call: str) -> None:
        try:
            self._service.serve(exchange, request, call)
        except Exception as error:
            _log.exception("A call failed inside the columnar server itself.")
            if not exchange.started:
                self._service.fail(exchange, request, EngineFault(UNKNOWN_EXCEPTION, f"The server failed: {error!r}"))

    def _authenticate(self, request: Request) -> None:
        given = requests.secret(request.headers)
        if given is None or not secrets.compare_digest(given.encode(), self._token):
            raise EngineFault(
                AUTHENTICATION_FAILED,
                "default: Authentication failed: password is incorrect, or there is no user with such name.",
            )

    def metrics(self) -> str:
        """Prometheus text."""
        resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
        figures = [
            ("kapelle_columnar_resident_bytes", "gauge", resident),
            ("kapelle_columnar_memory_limit_bytes", "gauge", self._limits.memory),
            ("kapelle_columnar_queries_running", "gauge", self._running),
            ("kapelle_columnar_queries_waiting", "gauge", self._waiting),
            ("kapelle_columnar_queries_total", "counter", self._served),
            ("kapelle_columnar_refused_total", "counter", self._refused),
        ]
        return "".join(f"# TYPE {name} {kind}\n{name} {value}\n" for name, kind, value in figures)

    def shut(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._side.shutdown(wait=False, cancel_futures=True)


def _is_bare_get(scope: MutableMapping[str, Any]) -> bool:
    return scope["method"] in ("GET", "HEAD") and b"query=" not in scope["query_string"]


async def _plain(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=UTF-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
