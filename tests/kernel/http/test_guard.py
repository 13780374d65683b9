"""The guarded client refuses what broke others: inner addresses in any disguise, rebinding, redirects (SSRF)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from http_servers import certificate, serving
from kapelle.kernel.http import (
    AddressRefused,
    Answer,
    ConnectFailed,
    GuardedClient,
    Limits,
    RedirectRefused,
    UrlRefused,
)
from kapelle.kernel.http.addresses import Allowance, is_public

if TYPE_CHECKING:
    from pathlib import Path

INNER = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::808:808",
    "2002:7f00:1::",
    "2002:808:808::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
OUTER = ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]


def client_for(host: str, port: int, *addresses: str) -> GuardedClient:
    """One that may call this host, which resolves to these addresses."""
    return GuardedClient(allowance=Allowance.parse(f"{host}:{port}"), resolver=lambda *_: list(addresses))


@pytest.mark.parametrize("address", INNER)
def test_an_inner_address_is_refused_in_the_url_and_behind_a_name(address: str) -> None:
    assert not is_public(address)
    literal = f"[{address}]" if ":" in address else address
    if "%" not in address:
        with pytest.raises(AddressRefused):
            GuardedClient().request("GET", f"http://{literal}/")
    with pytest.raises(AddressRefused):
        GuardedClient(resolver=lambda *_: [address]).request("GET", "https://shop.example/")


@pytest.mark.parametrize("address", OUTER)
def test_an_outer_address_passes(address: str) -> None:
    assert is_public(address)


def test_one_inner_address_among_good_ones_spoils_the_name() -> None:
    with pytest.raises(AddressRefused):
        GuardedClient(resolver=lambda *_: ["93.184.216.34", "10.0.0.1"]).request("GET", "http://shop.example/")


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://0/",
        "http://127.000.000.001/",
        "http://127.0.0.1./",
        "http://１２７.0.0.1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://127。0。0。1/",
        "http://localhost/",
        "http://LOCALHOST./",
    ],
)
def test_no_disguise_of_loopback_passes(url: str) -> None:
    with pytest.raises((UrlRefused, AddressRefused)):
        GuardedClient().request("GET", url)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example@127.0.0.1/",
        "http://user:password@shop.example/",
        "http://shop.example\\@127.0.0.1/",
        "http://127.0.0.1\\.shop.example/",
        "http://shop.example /",
        "http://shop.example/\r\nHost: inner",
        "http://shop.example\t/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_INFO",
        "ftp://shop.example/",
        "dict://127.0.0.1:11211/",
        "//shop.example/",
        "shop.example",
        "http://",
        "http://:80/",
        "http://[::1/",
        "http://shop.example:5432/",
        "http://shop.example:8123/",
        "http://shop.example:0x50/",
        "http://shop.example/" + "a" * 5000,
    ],
)
def test_a_url_of_a_bad_form_scheme_or_port_is_refused_before_anything_is_asked(url: str) -> None:
    def asked(*_: object) -> list[str]:
        raise AssertionError("the resolver was asked")

    with pytest.raises(UrlRefused):
        GuardedClient(resolver=asked).request("GET", url)
    with pytest.raises(UrlRefused):
        GuardedClient(resolver=asked).check_url(url)


def test_what_the_operator_allows_is_called_and_nothing_beside_it() -> None:
    with serving() as site, serving() as other:
        site.page("/", b"hello")
        client = GuardedClient(allowance=Allowance.parse(f"127.0.0.1:{site.port}"))
        assert client.request("GET", f"http://127.0.0.1:{site.port}/").body == b"hello"
        for url in (f"http://127.0.0.1:{other.port}/", f"http://localhost:{site.port}/", "http://127.0.0.1/"):
            with pytest.raises((UrlRefused, AddressRefused)):
                client.request("GET", url)
        assert not other.asked


def test_the_connection_goes_to_the_address_that_was_checked_though_the_name_moves() -> None:
    with serving("127.0.0.2") as good:
        answers = iter([["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1"]])
        good.page("/", b"pinned")
        client = GuardedClient(
            allowance=Allowance.parse(f"shop.example:{good.port}"), resolver=lambda *_: next(answers)
        )
        assert client.request("GET", f"http://shop.example:{good.port}/").body == b"pinned"
        assert next(answers) == ["127.0.0.1"]  # the name was asked for once
        assert good.asked[0][1]["Host"] == f"shop.example:{good.port}"


def test_a_check_at_the_form_never_stands_for_the_check_at_the_call() -> None:
    client = GuardedClient(resolver=lambda *_: ["169.254.169.254"])
    client.check_url("http://rebind.example/")
    with pytest.raises(AddressRefused):
        client.request("GET", "http://rebind.example/")


def test_a_redirect_is_an_answer_unless_it_was_asked_to_follow() -> None:
    with serving() as site:
        site.page("/", status=302, Location="http://169.254.169.254/latest/meta-data/")
        answer = client_for("shop.example", site.port, "127.0.0.1").request("GET", f"http://shop.example:{site.port}/")
        assert (answer.status, len(site.asked)) == (302, 1)


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("http://169.254.169.254/latest/meta-data/", AddressRefused),
        ("http://[::ffff:127.0.0.1]/", AddressRefused),
        ("http://2130706433/", UrlRefused),
        ("//user@shop.example/", UrlRefused),
        ("file:///etc/passwd", UrlRefused),
        ("http://shop.example:6379/", UrlRefused),
        ("/again", RedirectRefused),
        ("", RedirectRefused),
    ],
)
def test_each_hop_of_a_redirect_is_checked_again(location: str, error: type[Exception]) -> None:
    with serving() as site:
        site.page("/", status=302, Location=location)
        site.page("/again", status=302, Location="/again")
        client = GuardedClient(
            allowance=Allowance.parse(f"shop.example:{site.port}"),
            resolver=lambda host, _: ["127.0.0.1" if host == "shop.example" else host],
        )
        with pytest.raises(error):
            client.request("GET", f"http://shop.example:{site.port}/", limits=Limits(redirects=3))


def test_a_followed_redirect_keeps_secrets_at_home() -> None:
    with serving() as first, serving() as second:
        first.page("/", status=302, Location=f"http://other.example:{second.port}/end")
        second.page("/end", b"there")
        client = GuardedClient(
            allowance=Allowance.parse(f"shop.example:{first.port},other.example:{second.port}"),
            resolver=lambda *_: ["127.0.0.1"],
        )
        answer: Answer = client.request(
            "GET",
            f"http://shop.example:{first.port}/",
            headers={"Authorization": "Basic c2VjcmV0", "Accept": "text/csv"},
            limits=Limits(redirects=1),
        )
        assert (answer.body, answer.url) == (b"there", f"http://other.example:{second.port}/end")
        assert "Authorization" in first.asked[0][1]
        assert "Authorization" not in second.asked[0][1]
        assert second.asked[0][1]["Accept"] == "text/csv"


def test_https_names_the_host_in_sni_and_checks_its_certificate(tmp_path: Path) -> None:
    server, trusting, names = certificate(tmp_path, "shop.example")
    with serving(context=server) as site:
        site.page("/", b"secret")
        allowance = Allowance.parse(f"shop.example:{site.port},wrong.example:{site.port}")
        client = GuardedClient(allowance=allowance, resolver=lambda *_: ["127.0.0.1"], ssl_context=trusting)
        assert client.request("GET", f"https://shop.example:{site.port}/").body == b"secret"
        assert names == ["shop.example"]
        with pytest.raises(ConnectFailed, match="certificate"):
            client.request("GET", f"https://wrong.example:{site.port}/")
        strict = GuardedClient(allowance=allowance, resolver=lambda *_: ["127.0.0.1"])
        with pytest.raises(ConnectFailed, match="certificate"):
            strict.request("GET", f"https://shop.example:{site.port}/")


def test_proxies_of_the_environment_are_left_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with serving() as site:
        site.page("/", b"direct")
        client = client_for("shop.example", site.port, "127.0.0.1")
        assert client.request("GET", f"http://shop.example:{site.port}/").body == b"direct"
