"""The demo: a slice of the real history through the real importers, keys once, mail kept in a folder."""

from __future__ import annotations

import json
import smtplib
import stat
from email.message import EmailMessage
from itertools import pairwise
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from kapelle.accounts.queries import find_key, get_workspace
from kapelle.campaigns.models import Campaign
from kapelle.catalog.models import Order, OrderLine, Product
from kapelle.channels.email.queries import has_account
from kapelle.customers.models import Customer
from kapelle.kernel.clock import utc_now
from kapelle.kernel.tenancy import workspace_scope
from kapelle.segments.models import Segment
from kapelle.web.demo.loading import load_demo, read_state
from kapelle.web.demo.mail import HOST, read_mails, reserve_port, serve
from kapelle.web.demo.names import name_of

if TYPE_CHECKING:
    from kapelle.kernel.config import Config


def test_a_slice_is_loaded_once_and_whole(database: str, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAPELLE_DEMO_WEEKS", "1")
    said: list[str] = []
    load_demo(config, full=False, say=said.append)
    demo = get_workspace("demo")
    keys_path = config.keys_dir / "demo-keys.json"
    keys = json.loads(keys_path.read_text())

    def counts() -> tuple[int, ...]:
        with workspace_scope(demo.id):
            kinds = (Customer, Product, Order, OrderLine, Segment, Campaign)
            return tuple(kind.objects.count() for kind in kinds)

    first = counts()
    load_demo(config, full=False, say=said.append)

    assert counts() == first
    assert first[0] == 2_469
    assert first[3] > 15_000
    assert first[4:] == (1, 1)
    assert "made up" in said[0]
    assert json.loads(keys_path.read_text()) == keys
    assert stat.S_IMODE(keys_path.stat().st_mode) == 0o600
    assert {scope: str(found.scope) for scope, key in keys.items() if (found := find_key(key))} == {
        "write": "write",
        "admin": "admin",
    }
    with workspace_scope(demo.id):
        latest = Order.objects.order_by("-ordered_at")[0].ordered_at
        assert 0 < (utc_now() - latest).total_seconds() < 3 * 86400
        assert has_account()
        somebody = Customer.objects.exclude(attributes={}).first()
        assert somebody is not None
        assert somebody.email.endswith("@example.test")
    state = read_state(config)
    assert state is not None
    assert state.weeks == 1


def test_mail_to_the_demo_is_kept_and_can_be_read(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAPELLE_DEMO_SMTP_PORT", raising=False)
    port = reserve_port(config)
    assert json.loads((config.run_dir / "demo-smtp.json").read_text()) == {"host": HOST, "port": port}
    stop = Event()
    server = Thread(target=serve, args=(config, port, stop))
    server.start()
    try:
        for number in range(2):
            mail = EmailMessage()
            mail["From"], mail["To"], mail["Subject"] = (
                "shop@example.test",
                f"u{number}@example.test",
                f"Привет {number}",
            )
            mail.set_content("Hello")
            _send(port, mail)
        assert reserve_port(config) == port
    finally:
        stop.set()
        server.join()
    assert [found["Subject"] for found in read_mails(config, to=None, limit=10)] == ["Привет 1", "Привет 0"]
    assert [found["To"] for found in read_mails(config, to="U0@example.test", limit=10)] == ["u0@example.test"]
    assert reserve_port(config) == port


def _send(port: int, mail: EmailMessage) -> None:
    for _ in range(50):
        try:
            with smtplib.SMTP(HOST, port) as client:
                client.send_message(mail)
                return
        except ConnectionRefusedError:
            Event().wait(0.1)
    pytest.fail("the mail server does not answer")


def test_neighboring_households_have_different_names() -> None:
    names = [name_of(household) for household in range(1, 2_500)]
    assert len(set(names)) > 2_000
    assert all(one != other for one, other in pairwise(names))
