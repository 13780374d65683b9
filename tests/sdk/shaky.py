"""A front before the edge that loses or refuses the first answers, as networks and busy servers do."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Trouble = Literal["lose", "refuse"]


class ShakyFront(ThreadingHTTPServer):
    """Passes requests on to `port`. Of its first `bad` POSTs the answer is lost (the edge has kept it) or a 503."""

    daemon_threads = True

    def __init__(self, port: int, *, trouble: Trouble, bad: int = 1) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.port, self.trouble, self.left = port, trouble, bad
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ShakyFront

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        trouble: str = ""
        if self.command == "POST":
            with self.server.lock:
                self.server.posts.append((self.path, dict(self.headers.items()), body))
                if self.server.left:
                    self.server.left -= 1
                    trouble = self.server.trouble
        if trouble == "refuse":
            self._answer(503, [("Retry-After", "1"), ("Access-Control-Allow-Origin", "*")], b"{}")
            return
        edge = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {"connection", "expect"}}
        edge.request(self.command, self.path, body or None, headers)
        answer = edge.getresponse()
        content = answer.read()
        edge.close()
        if trouble == "lose":
            self.close_connection = True
            return
        kept = [
            (name, value)
            for name, value in answer.getheaders()
            if name.lower() not in {"connection", "content-length", "date", "server", "transfer-encoding"}
        ]
        self._answer(answer.status, kept, content)

    do_GET = do_POST = do_OPTIONS = do_HEAD = _handle  # noqa: N815

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class Site(ThreadingHTTPServer):
    """A shop's own site: fixed pages and scripts by path. To a browser it is another origin than the edge."""

    daemon_threads = True

    def __init__(self, files: dict[str, tuple[str, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), _Serving)
        self.files = files

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Serving(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        kind, body = self.server.files.get(self.path.partition("?")[0], ("text/plain", b""))
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""
