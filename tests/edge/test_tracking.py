"""Open pixels and click redirects: signed, looked up, recorded, and never in a person's way."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapelle.events.wire import decode_receipt
from kapelle.kernel.ids import uuid7
from kapelle.kernel.secrets import secret_bytes
from kapelle.kernel.tracking import OPEN_LINK, Token, make_token, read_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_process import EdgeProcess
    from kapelle.accounts.contracts import WorkspaceInfo
    from kapelle.kernel.config import Config


@pytest.fixture
def token(config: Config, workspace: WorkspaceInfo) -> Callable[[int], str]:
    """A genuine token of a send of this workspace, for a link number."""
    key = secret_bytes(config, "tracking")
    return lambda link: make_token(key, workspace.id, uuid7(), link)


@pytest.fixture
def add_link(owner: psycopg.Connection[Any], workspace: WorkspaceInfo) -> Callable[[int, str], None]:
    def add(number: int, url: str) -> None:
        owner.execute(
            "INSERT INTO link_targets (workspace_id, number, url, url_hash) VALUES (%s, %s, %s, %s)",
            [workspace.id, number, url, hashlib.sha256(url.encode()).digest()],
        )

    return add


@given(link=st.integers(0, 2**32 - 1), place=st.integers(0, 69), other=st.sampled_from("AZaz09-_"))
def test_a_token_says_what_was_put_in_and_any_change_breaks_it(link: int, place: int, other: str) -> None:
    key, workspace_id, send_id = b"k" * 32, uuid7(), uuid7()
    token = make_token(key, workspace_id, send_id, link)
    wanted = Token(workspace_id=workspace_id, send_id=send_id, link=link)
    assert read_token(key, token) == wanted
    assert read_token(b"x" * 32, token) is None
    changed = token[:place] + other + token[place + 1 :]
    assert read_token(key, changed) in ({wanted, None} if place == 69 else {None} if changed != token else {wanted})


def test_an_open_gives_the_pixel_and_a_receipt(edge: EdgeProcess, token: Any, inbox: Any) -> None:
    name = token(OPEN_LINK)
    answer = edge.request("GET", f"/t/o/{name}.gif", headers={"User-Agent": "GoogleImageProxy"})
    assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.body.startswith(b"GIF89a")
    assert "no-store" in answer.headers["cache-control"]
    (row,) = inbox()
    assert (row.kind, row.source) == ("receipt:open", "receipt:email")
    assert row.context == {"ip": "127.0.0.1", "user_agent": "GoogleImageProxy", "method": "GET"}
    receipt = decode_receipt(row.body)
    assert receipt.link == OPEN_LINK
    assert set(json.loads(row.body)) == {"send_id", "link", "at"}


def test_a_click_leads_to_the_target_and_leaves_a_receipt(
    edge: EdgeProcess, token: Any, add_link: Any, inbox: Any
) -> None:
    add_link(5, "https://shop.example/sale?a=1&b=ключ#top")
    answer = edge.request("GET", f"/t/c/{token(5)}")
    assert answer.status == 302
    assert answer.headers["location"] == "https://shop.example/sale?a=1&b=%D0%BA%D0%BB%D1%8E%D1%87#top"
    assert answer.headers["cache-control"] == "no-store"
    (row,) = inbox()
    assert (row.kind, decode_receipt(row.body).link) == ("receipt:click", 5)


def test_a_head_request_is_recorded_as_what_it_is(edge: EdgeProcess, token: Any, add_link: Any, inbox: Any) -> None:
    add_link(6, "https://shop.example/")
    assert edge.request("HEAD", f"/t/c/{token(6)}").status == 302
    assert [row.context["method"] for row in inbox()] == ["HEAD"]


@pytest.mark.parametrize("path", ["/t/c/", "/t/c/short", "/t/c/" + "A" * 70, "/t/o/" + "A" * 70 + ".gif", "/t/x/y"])
def test_a_forged_or_torn_link_is_a_plain_404_page(edge: EdgeProcess, inbox: Any, path: str) -> None:
    answer = edge.request("GET", path + "?url=https://evil.example/")
    assert answer.status == 404
    assert "text/html" in answer.headers["content-type"]
    assert "location" not in answer.headers
    assert inbox() == []


def test_a_link_that_is_not_ours_or_not_the_web_is_404(
    edge: EdgeProcess, token: Any, add_link: Any, inbox: Any
) -> None:
    add_link(7, "javascript:alert(1)")
    for link in (7, 999, OPEN_LINK):
        assert edge.request("GET", f"/t/c/{token(link)}").status == 404
    assert inbox() == []


def test_a_header_cannot_be_smuggled_through_a_target(edge: EdgeProcess, token: Any, add_link: Any) -> None:
    add_link(8, "https://shop.example/\r\nSet-Cookie: a=b")
    answer = edge.request("GET", f"/t/c/{token(8)}")
    assert "set-cookie" not in answer.headers
    assert answer.headers["location"] == "https://shop.example/%0D%0ASet-Cookie:%20a=b"


def test_a_click_goes_on_while_the_inbox_is_slow(
    edge: EdgeProcess, token: Any, add_link: Any, inbox: Any, database: str
) -> None:
    add_link(9, "https://shop.example/")
    assert edge.request("GET", f"/t/c/{token(9)}").status == 302
    with psycopg.connect(database) as blocker:
        blocker.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        assert edge.request("GET", f"/t/c/{token(9)}").status == 302
        assert time.monotonic() - began < 1.5
    end = time.monotonic() + 10
    while len(inbox()) < 2:
        assert time.monotonic() < end, "the second click never came"
        time.sleep(0.1)
