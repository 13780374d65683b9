"""The edge as one ASGI application: which path goes where, what is started and stopped."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from kapelle.edge import health
from kapelle.edge.collect import KIND_OF_PATH, Collector
from kapelle.edge.database import Link
from kapelle.edge.health import Health
from kapelle.edge.http import ClientGone, answer_problem
from kapelle.edge.inbox import InboxWriter
from kapelle.edge.keys import Keyring
from kapelle.edge.metrics import EdgeMetrics
from kapelle.edge.proxy import Proxy
from kapelle.edge.rate import RateLimit
from kapelle.edge.sdk import SdkDesk, read_path
from kapelle.edge.spill import Spill
from kapelle.edge.tracking import LinkBook, Tracker
from kapelle.edge.upstream import Upstream
from kapelle.kernel.errors import KapelleError, NotFound
from kapelle.kernel.postgres import database_url
from kapelle.kernel.secrets import secret_bytes

if TYPE_CHECKING:
    from kapelle.edge.http import HttpScope, Receive, Send
    from kapelle.edge.settings import EdgeSettings
    from kapelle.kernel.config import Config

log = logging.getLogger("kapelle.edge")

_TRACKING = "/t/"
_COLLECT = "/v1/"
_UPLOADS = "/api/v1/uploads/"


class Edge:
    """Made anew for each process; everything else hangs on it."""

    def __init__(self, config: Config, settings: EdgeSettings) -> None:
        for folder in (config.run_dir, config.spill_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

        def address() -> str:
            return database_url(config)  # asked at each connect: a restarted cluster may have moved

        def link() -> Link:
            return Link(address, seconds=settings.database_seconds)

        def spill() -> Spill:
            return Spill(
                config.spill_dir,
                max_bytes=settings.spill_bytes,
                segment_bytes=settings.spill_segment_bytes,
                disk_reserve=settings.disk_reserve_bytes,
            )

        trust = settings.behind_proxy
        self.metrics = EdgeMetrics()
        self.inbox = InboxWriter(address, spill, settings, self.metrics)
        self.keyring = Keyring(link(), config.run_dir / "edge-keys.json")
        self.links = LinkBook(link())
        self.upstream = Upstream(settings.web)
        self.collector = Collector(
            keyring=self.keyring,
            inbox=self.inbox,
            rate=RateLimit(config.collect_rate),
            metrics=self.metrics,
            behind_proxy=trust,
        )
        self.sdk = SdkDesk(keyring=self.keyring, collector=self.collector, behind_proxy=trust)
        self.tracker = Tracker(
            key=secret_bytes(config, "tracking"), links=self.links, inbox=self.inbox, behind_proxy=trust
        )
        self.health = Health(database=link(), upstream=self.upstream, inbox=self.inbox, metrics=self.metrics)
        self.proxy = Proxy(self.upstream, behind_proxy=trust)

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        """ASGI's entry: lifespan and http."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        began = time.perf_counter()
        path: str = scope["path"]
        route = "collect"
        try:
            kind = KIND_OF_PATH.get(path) or KIND_OF_PATH.get(path.rstrip("/"))
            if kind is not None:
                status = await self.collector.handle(kind, scope, receive, send)
            elif (question := read_path(path)) is not None:
                route = "sdk"
                status = await self.sdk.handle(question, scope, receive, send)
            elif path.startswith(_COLLECT):
                raise NotFound(f"There is no {path}. Events go to /v1/batch, /v1/track and their siblings.")
            elif path.startswith(_TRACKING):
                route = "tracking"
                status = await self.tracker.handle(path, scope, send)
            elif path in health.PATHS:
                route = "health"
                status = await self.health.handle(path, send)
            elif scope["method"] == "PATCH" and path.startswith(_UPLOADS):
                route = "upload"
                status = await self.proxy.handle_upload(scope, receive, send)
            else:
                route = "proxy"
                status = await self.proxy.handle(scope, receive, send)
        except ClientGone:
            return
        except KapelleError as error:
            status = error.status
            await answer_problem(send, error)
        except Exception:
            self.metrics.observe(route, 500, time.perf_counter() - began)
            log.exception("%s %s failed", scope["method"], path)
            raise  # the server answers 500, or hangs up if the answer has begun
        self.metrics.observe(route, status, time.perf_counter() - began)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self.inbox.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.inbox.stop()
        await self.keyring.stop()
        await self.links.stop()
        await self.health.stop()
        self.upstream.close()
        await send({"type": "lifespan.shutdown.complete"})
