"""The guarded client keeps time, size and compression within bounds, and says whether the request had left."""

from __future__ import annotations

import gzip
import socket
import time
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest

from http_servers import raw_server, serving
from kapelle.kernel.http import AnswerInvalid, AnswerTooLarge, ConnectFailed, GuardedClient, Limits, TimedOut
from kapelle.kernel.http.addresses import Allowance

if TYPE_CHECKING:
    from pathlib import Path

CLIENT = GuardedClient(allowance=Allowance.parse("127.0.0.1:*"))
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


def test_a_json_request_and_answer() -> None:
    with serving() as site:
        site.page("/", '{"a": [1, "ж"]}'.encode())
        answer = CLIENT.request("POST", f"http://127.0.0.1:{site.port}/", json={"b": 1})
        assert answer.json() == {"a": [1, "ж"]}
        site.page("/", b"<html>")
        with pytest.raises(AnswerInvalid, match="not JSON"):
            CLIENT.request("GET", f"http://127.0.0.1:{site.port}/").json()


def test_a_bad_status_is_an_answer() -> None:
    with serving() as site:
        site.page("/", b"broken", status=503, Retry_After="7")
        answer = CLIENT.request("GET", f"http://127.0.0.1:{site.port}/")
        assert (answer.status, answer.is_success, answer.headers["retry-after"]) == (503, False, "7")


@pytest.mark.parametrize("dripped", [OK + b"X: ", OK + b"\r\n"], ids=["in the head", "in the body"])
def test_an_answer_that_drips_ends_with_the_deadline(dripped: bytes) -> None:
    def drip(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(dripped)
        for _ in range(200):
            connection.sendall(b"x")
            time.sleep(0.02)

    with raw_server(drip) as port:
        began = time.monotonic()
        with pytest.raises(TimedOut) as caught:
            CLIENT.request("GET", f"http://127.0.0.1:{port}/", limits=Limits(seconds=0.3))
        assert time.monotonic() - began < 1.5
        assert caught.value.was_sent


def test_a_refused_connection_says_that_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectFailed) as caught:
        CLIENT.request("GET", f"http://127.0.0.1:{port}/")
    assert not caught.value.was_sent


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", OK + b"Content-Length: 10\r\n\r\nshort"])
def test_what_is_not_http_or_breaks_off_is_said(answer: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)

    with raw_server(talk) as port, pytest.raises(AnswerInvalid) as caught:
        CLIENT.request("GET", f"http://127.0.0.1:{port}/")
    assert caught.value.was_sent


def test_a_large_answer_is_refused_whether_it_says_its_length_or_not() -> None:
    def endless(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(OK + b"\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with raw_server(endless) as port, pytest.raises(AnswerTooLarge):
        CLIENT.request("GET", f"http://127.0.0.1:{port}/", limits=Limits(max_bytes=200_000))
    with serving() as site:
        site.page("/", b"x" * 1001)
        with pytest.raises(AnswerTooLarge):
            CLIENT.request("GET", f"http://127.0.0.1:{site.port}/", limits=Limits(max_bytes=1000))


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compressed_answer_is_read(coding: str) -> None:
    packed = {"gzip": gzip.compress(b"a" * 300_000) + gzip.compress(b"b"), "deflate": zlib.compress(b"a" * 300_000)}
    with serving() as site:
        site.page("/", packed[coding], Content_Encoding=coding)
        body = CLIENT.request("GET", f"http://127.0.0.1:{site.port}/").body
        assert body == b"a" * 300_000 + (b"b" if coding == "gzip" else b"")


def test_a_bomb_is_refused_in_steady_memory() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b"\0" * (1 << 20)) for _ in range(300)) + packer.flush()
    with serving() as site:
        site.page("/", bomb, Content_Encoding="gzip")
        tracemalloc.start()
        with pytest.raises(AnswerTooLarge):
            CLIENT.request("GET", f"http://127.0.0.1:{site.port}/", limits=Limits(max_bytes=4 << 20))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 24 << 20


BROKEN = [("gzip", b"nothing"), ("gzip", gzip.compress(b"a" * 99, mtime=0)[:-9]), ("br", b"x")]


@pytest.mark.parametrize(("coding", "body"), BROKEN)
def test_broken_and_unknown_compression_is_said(coding: str, body: bytes) -> None:
    with serving() as site:
        site.page("/", body, Content_Encoding=coding)
        with pytest.raises(AnswerInvalid):
            CLIENT.request("GET", f"http://127.0.0.1:{site.port}/")


def test_a_download_goes_into_a_file_and_leaves_nothing_behind_when_it_fails(tmp_path: Path) -> None:
    with serving() as site:
        site.page("/feed", b"row\n" * 100_000, ETag='"v1"')
        site.page("/gone", b"no such feed", status=404)
        target = tmp_path / "feed.csv"
        answer = CLIENT.download(f"http://127.0.0.1:{site.port}/feed", target)
        assert (answer.size, target.stat().st_size, answer.headers["etag"]) == (400_000, 400_000, '"v1"')
        with pytest.raises(AnswerTooLarge):
            CLIENT.download(f"http://127.0.0.1:{site.port}/feed", tmp_path / "big", limits=Limits(max_bytes=1000))
        assert CLIENT.download(f"http://127.0.0.1:{site.port}/gone", tmp_path / "gone").status == 404
        assert sorted(path.name for path in tmp_path.iterdir()) == ["feed.csv"]
