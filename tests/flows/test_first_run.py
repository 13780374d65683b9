"""The first journey, as a stranger walks it: events, a segment, a campaign through real SMTP, opens and clicks."""

from __future__ import annotations

import email
import email.parser
import email.policy
import http.client
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from live import Live, installation, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

_PEOPLE = {"anna": 3, "boris": 1, "carla": 5, "dmitri": 0}  # who bought how often
_MJML = """<mjml><mj-body><mj-section><mj-column>
  <mj-text>Hello {{ customer.first_name | default: "friend" }}</mj-text>
  <mj-button href="https://shop.example.test/new?who={{ customer.external_id }}">New things</mj-button>
</mj-column></mj-section></mj-body></mjml>"""


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with installation(demo=True, KAPELLE_DEMO_WEEKS="1") as started:
        yield started


@pytest.fixture(scope="module")
def keys(live: Live) -> dict[str, str]:
    live.cli("workspace", "create", "shop")
    return {
        scope: live.cli("key", "create", "--workspace", "shop", "--name", "test", "--scope", scope)
        for scope in ("admin", "write")
    }


def _count(live: Live, admin: str, rule: dict[str, Any]) -> int:
    status, answer = live.request("POST", "/api/v1/segments/preview", {"rule": rule}, key=admin)
    assert status == 200, answer
    return int(answer["count"])


def _mails(live: Live) -> list[EmailMessage]:
    folder = live.home / "demo-mail" / "new"
    parser = email.parser.BytesParser(policy=email.policy.default)
    return [parser.parsebytes(path.read_bytes()) for path in folder.glob("*")]


def test_from_an_event_to_a_click(live: Live, keys: dict[str, str]) -> None:
    admin, write = keys["admin"], keys["write"]
    batch: list[dict[str, Any]] = []
    for name, bought in _PEOPLE.items():
        traits = {"email": f"{name}@example.test", "firstName": name.title(), "city": "Berlin"}
        batch.append({"type": "identify", "userId": name, "traits": traits})
        batch += [{"type": "track", "userId": name, "event": "Bought", "properties": {"price": 9.5}}] * bought
    for number, message in enumerate(batch):
        batch[number] = {**message, "messageId": f"flow-{number}"}
    assert live.request("POST", "/v1/batch", {"batch": batch}, basic=write)[0] == 200
    assert live.request("POST", "/v1/batch", {"batch": batch}, basic=write)[0] == 200  # an SDK's retry

    rule = {
        "and": [{"event": "Bought", "op": "at_least", "times": 3}, {"attribute": "city", "op": "eq", "value": "Berlin"}]
    }
    wait_until(lambda: _count(live, admin, rule) == 2, seconds=15, what="two loyal customers in the preview")

    _, found = live.request("GET", "/api/v1/customers?identifier=email:anna@example.test", key=admin)
    anna = found["items"][0]["id"]
    _, timeline = live.request("GET", f"/api/v1/customers/{anna}/timeline", key=admin)
    assert [event["name"] for event in timeline["items"]].count("Bought") == 3

    _, segment = live.request("POST", "/api/v1/segments", {"name": "Loyal", "rule": rule}, key=admin)
    smtp = _smtp(live)
    status, answer = live.request(
        "PUT", "/api/v1/channels/email", {**smtp, "from_address": "shop@example.test"}, key=admin
    )
    assert status == 200, answer
    status, campaign = live.request(
        "POST",
        "/api/v1/campaigns",
        {"name": "New", "segment_id": segment["id"], "subject": "For {{ customer.first_name }}", "mjml": _MJML},
        key=admin,
    )
    assert status == 201, campaign
    status, answer = live.request("POST", f"/api/v1/campaigns/{campaign['id']}/send", key=admin)
    assert status in (200, 202), answer
    live.request("POST", f"/api/v1/campaigns/{campaign['id']}/send", key=admin)  # a second click on "send"

    wait_until(lambda: len(_mails(live)) >= 2, seconds=20, what="two mails in the mailbox")
    mails = {mail["To"].split("<")[-1].strip(">"): mail for mail in _mails(live)}
    assert len(_mails(live)) == 2
    assert set(mails) == {"anna@example.test", "carla@example.test"}
    assert mails["anna@example.test"]["Subject"] == "For Anna"
    assert mails["anna@example.test"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    _react(live, mails)

    def report() -> Any:
        return live.request("GET", f"/api/v1/campaigns/{campaign['id']}/report", key=admin)[1]

    wait_until(
        lambda: report()["clicked"]["human"] == 1 and report()["unsubscribed"] == 1,
        seconds=15,
        what=f"report {report()}",
    )
    final = report()
    assert (final["recipients"], final["sent"], final["delivered"]) == (2, 2, 2)
    assert final["links"][0]["clicks"] == 1
    _, sends = live.request("GET", f"/api/v1/sends?campaign={campaign['id']}", key=admin)
    assert {send["status"] for send in sends["items"]} == {"sent"}


def _smtp(live: Live) -> dict[str, Any]:
    where = json.loads((live.home / "run" / "demo-smtp.json").read_text())
    return {"host": where["host"], "port": where["port"], "tls": "none"}


def _react(live: Live, mails: dict[str, EmailMessage]) -> None:
    """Anna opens and clicks; Carla unsubscribes with the one click of RFC 8058, after her scanner only looked."""
    part = mails["anna@example.test"].get_body(("html",))
    assert part is not None
    html = part.get_content()
    pixel = re.search(r'src="[^"]*(/t/o/[^"]+)"', html)
    link = re.search(r'href="[^"]*(/t/c/[^"]+)"', html)
    assert pixel
    assert link
    browser = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    assert live.request("GET", pixel[1], **browser)[0] == 200
    assert _redirect(live, link[1], browser) == "https://shop.example.test/new?who=anna"
    one_click = re.search(r"<https?://[^/]+(/u/[^>]+)>", mails["carla@example.test"]["List-Unsubscribe"])
    assert one_click
    assert live.request("GET", one_click[1])[0] == 200
    body = b"List-Unsubscribe=One-Click"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert live.request("POST", one_click[1], body, **form)[0] == 200


def _redirect(live: Live, path: str, headers: dict[str, str]) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    assert answer.status == 302
    return answer.getheader("Location") or ""
