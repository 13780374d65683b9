"""What is not the edge's own reaches `web` unharmed, streamed, and with headers that cannot be forged."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from edge_process import TRACK, EdgeProcess
from live import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Web(BaseHTTPRequestHandler):
    """Stands where `web` stands, and does what the path says."""

    protocol_version = "HTTP/1.1"
    parts: ClassVar[list[tuple[int, int]]] = []

    def _answer(self) -> None:
        if self.path.startswith("/echo"):
            text = f"{self.command} {self.path}\n" + "".join(f"{k.lower()}: {v}\n" for k, v in self.headers.items())
            self._send(200, text.encode(), [("X-Twice", "1"), ("X-Twice", "2"), ("Keep-Alive", "timeout=5")])
        elif self.path == "/digest":
            body = self._body()
            self._send(201, f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode())
        elif self.path == "/big":
            self._send(200, b"x" * 20_000_000)
        elif self.path.startswith("/api/v1/uploads/"):
            part = int(self.headers["Upload-Offset"]), len(self._body())
            Web.parts.append(part)
            self._send(409 if self.path.endswith("full") else 200, b"", [("Upload-Offset", str(sum(part)))])
        elif self.path == "/slow":
            self._chunked([b"one\n", b"two\n", b"three\n"], pause=0.3)
        elif self.path == "/empty":
            self.send_response(304)
            self.end_headers()
        elif self.path == "/gone":  # as waitress answers 204
            self.send_response(204)
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
        elif self.path == "/refuse":
            self._send(413, b"too much", [("Connection", "close")])
            with suppress(OSError):  # read on for a moment, or the kernel's reset overtakes the answer
                self.connection.settimeout(1)
                self._body()
            self.close_connection = True
        elif self.path == "/die":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif self.path == "/die-half-way":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"half")
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        elif self.path == "/old":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"until the end")
            self.close_connection = True
        else:
            self._send(404, b"nothing here")

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _answer  # noqa: N815  # the base class looks for these names

    def _send(self, status: int, body: bytes, headers: list[tuple[str, str]] | None = None) -> None:
        self.send_response(status)
        for name, value in headers or []:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _chunked(self, parts: list[bytes], pause: float) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in [*parts, b""]:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.wfile.flush()
            time.sleep(pause)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_: Any) -> None:
        pass


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self) -> tuple[Any, Any]:
        return super().get_request()[0], ("unix", 0)


@pytest.fixture(scope="module", params=["unix socket", "port"])
def edge(request: pytest.FixtureRequest, database: str, short_folder: Path) -> Iterator[EdgeProcess]:
    """An edge in front of Web."""
    server: socketserver.BaseServer
    if request.param == "port":
        server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
        address = f"127.0.0.1:{server.server_address[1]}"
    else:
        address = str(short_folder / "stand-in.sock")
        server = UnixServer(address, Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    process = EdgeProcess({"KAPELLE_WEB": address})
    process.start()
    yield process
    process.remove()
    server.shutdown()
    server.server_close()


def test_method_path_query_and_headers_arrive_as_they_were(edge: EdgeProcess) -> None:
    answer = edge.request("DELETE", "/echo/a%20b%2Fc?x=1&y=%20", headers={"X-Mine": "yes", "Host": "shop.example"})
    lines = answer.body.decode().splitlines()
    assert lines[0] == "DELETE /echo/a%20b%2Fc?x=1&y=%20"
    assert {"x-mine: yes", "host: shop.example", "x-forwarded-host: shop.example"} <= set(lines)


def test_a_clients_own_forwarding_headers_are_replaced(edge: EdgeProcess) -> None:
    forged = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "https",
        "Forwarded": "for=6.6.6.6",
        "X-Request-Id": "x",
    }
    lines = edge.request("GET", "/echo", headers=forged).body.decode().splitlines()
    assert "x-forwarded-for: 127.0.0.1" in lines
    assert "x-forwarded-proto: http" in lines
    assert not [line for line in lines if "6.6.6.6" in line or line == "x-request-id: x"]


def test_headers_of_one_connection_stay_on_it(edge: EdgeProcess) -> None:
    sent = {"Connection": "close, X-Secret", "X-Secret": "1", "TE": "trailers", "Upgrade": "websocket"}
    answer = edge.request("GET", "/echo", headers=sent)
    names = {line.partition(":")[0] for line in answer.body.decode().splitlines()[1:]}
    assert not names & {"connection", "x-secret", "te", "upgrade"}
    assert "keep-alive" not in answer.headers


def test_repeated_response_headers_stay_repeated_and_the_request_is_named(edge: EdgeProcess) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=10)
    connection.request("GET", "/echo")
    response = connection.getresponse()
    assert response.headers.get_all("x-twice") == ["1", "2"]
    body = response.read().decode()
    assert f"x-request-id: {response.headers['x-request-id']}" in body


@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies_pass_in_both_forms(edge: EdgeProcess, chunked: bool) -> None:
    body = os.urandom(30_000_000)
    connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=60)
    sent = (body[start : start + 70_000] for start in range(0, len(body), 70_000)) if chunked else body
    connection.request("POST", "/digest", body=sent, encode_chunked=chunked)
    response = connection.getresponse()
    assert (response.status, response.read().decode()) == (201, f"{len(body)} {hashlib.sha256(body).hexdigest()}")


def test_a_large_answer_passes_and_is_not_piled_up_for_a_slow_reader(edge: EdgeProcess) -> None:
    assert edge.process is not None
    before = _memory(edge.process.pid)
    with socket.create_connection(("127.0.0.1", edge.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.7)
        assert _memory(edge.process.pid) - before < 8_000_000
    assert len(edge.request("GET", "/big").body) == 20_000_000


def _memory(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:  # noqa: PTH123  # not a file one edits
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_an_answer_is_streamed_as_it_comes(edge: EdgeProcess) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=10)
    began = time.monotonic()
    connection.request("GET", "/slow")
    response = connection.getresponse()
    assert response.readline() == b"one\n"
    assert time.monotonic() - began < 0.25
    assert response.read() == b"two\nthree\n"


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("HEAD", "/big", 200, b""),
        ("GET", "/empty", 304, b""),
        ("GET", "/old", 200, b"until the end"),
        ("GET", "/nothing", 404, b"nothing here"),
        ("POST", "/refuse", 413, b"too much"),
    ],
)
def test_odd_answers_pass_too(edge: EdgeProcess, method: str, path: str, status: int, body: bytes) -> None:
    for _ in range(3):
        answer = edge.request(method, path, b"x" * 2_000_000 if method == "POST" else None)
        assert (answer.status, answer.body) == (status, body)


def test_a_connection_that_web_closes_is_not_used_again(edge: EdgeProcess) -> None:
    for _ in range(20):
        assert edge.request("DELETE", "/gone").status == 204


def test_a_web_that_hangs_up_is_a_problem_with_a_time_to_retry(edge: EdgeProcess) -> None:
    answer = edge.request("GET", "/die")
    assert (answer.status, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


def test_an_answer_that_breaks_off_is_seen_to_be_broken(edge: EdgeProcess) -> None:
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        edge.request("GET", "/die-half-way")
    assert edge.request("GET", "/echo").status == 200


def test_a_client_that_leaves_half_way_takes_its_request_along(edge: EdgeProcess) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", edge.port)) as client:
            client.sendall(b"POST /digest HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
            time.sleep(0.05)
    assert edge.request("GET", "/echo").status == 200
    wait_until(lambda: "web does not answer POST /digest" in edge.log.read_text(), seconds=3, what="given up")
    assert "Traceback" not in edge.log.read_text()


def patch(edge: EdgeProcess, path: str, body: bytes, offset: int) -> http.client.HTTPResponse:
    Web.parts.clear()
    client = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=10)
    client.request("PATCH", f"/api/v1/uploads/{path}", body, {"Upload-Offset": str(offset)})
    return client.getresponse()


def test_one_long_part_of_a_file_arrives_as_small_ones(edge: EdgeProcess) -> None:
    eight = 8 * 2**20
    answer = patch(edge, "x", b"x" * 20_000_000, 5)
    assert (answer.status, answer.headers["Upload-Offset"]) == (200, "20000005")
    first, second, third = Web.parts
    assert first[0] == 5
    assert min(first[1], second[1]) >= eight > third[1]
    assert sum(third) == 20_000_005
    assert patch(edge, "x", b"", 7).headers["Upload-Offset"] == "7"
    assert patch(edge, "full", b"x" * 12_000_000, 0).status == 409
    assert len(Web.parts) == 1


def test_of_a_part_that_breaks_off_what_has_come_is_passed_on(edge: EdgeProcess) -> None:
    Web.parts.clear()
    with socket.create_connection(("127.0.0.1", edge.port)) as client:
        client.sendall(
            b"PATCH /api/v1/uploads/x HTTP/1.1\r\nHost: a\r\nUpload-Offset: 0\r\nContent-Length: 30000000\r\n\r\n"
        )
        client.sendall(b"x" * 10_000_000)
    wait_until(lambda: sum(length for _, length in Web.parts) == 10_000_000, seconds=10, what="all bytes")


def test_collecting_is_not_held_up_by_proxying(edge: EdgeProcess, write_secret: str) -> None:
    slow = [threading.Thread(target=edge.request, args=("GET", "/slow")) for _ in range(20)]
    for thread in slow:
        thread.start()
    began = time.monotonic()
    assert edge.post("/v1/track", TRACK, key=write_secret).status == 200
    assert time.monotonic() - began < 0.3
    for thread in slow:
        thread.join()


def test_without_web_the_edge_says_so_and_still_collects(
    start_edge: Callable[..., EdgeProcess], short_folder: Path, write_secret: str
) -> None:
    edge = start_edge(KAPELLE_WEB=str(short_folder / "nobody.sock"))
    assert edge.request("GET", "/api/v1/customers").status == 503
    assert edge.request("GET", "/healthz").status == 200
    ready = edge.request("GET", "/readyz")
    assert (ready.status, ready.json()["postgres"]) == (503, "ok")
    assert edge.post("/v1/track", TRACK, key=write_secret).status == 200


def test_with_the_real_web_everything_is_ready(start_edge: Callable[..., EdgeProcess], short_folder: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    web = subprocess.Popen([sys.executable, "-m", "kapelle.web.cli", "web", "--listen", address])
    try:
        edge = start_edge(KAPELLE_WEB=address)
        wait_until(lambda: edge.request("GET", "/readyz").status == 200, seconds=20, what="all is ready")
        assert edge.request("GET", "/readyz").json()["web"]["database"] == "ok"
        assert edge.request("GET", "/api/v1/openapi.json").status == 200
        assert edge.request("GET", "/api/v1/customers").status == 401
    finally:
        web.terminate()
        web.wait()
