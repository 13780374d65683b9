"""kill -9 of everything while events and mails flow: nothing acknowledged is lost or doubled, none is mailed twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from faults.storm import Clients, Truth
from kapelle.kernel import config as kernel_config
from live import Live, installation, wait_until
from messaging.smtp_server import Box, smtp_server

if TYPE_CHECKING:
    from collections.abc import Iterator

KILLS = 20
LONG_KILLS = 200
RECIPIENTS = 1000
MAILS_A_SECOND = 8  # slow enough that mails flow through the whole storm
PROCESSES = ["edge", "web", "projector", "columnar-writer", "sender", "columnar", "postgres", "jobs", "sweeper"]
# Points inside the workers; those of the edge and of imports are proved in tests/edge and tests/imports.
POINTS = {
    "projector": ["after_claim", "after_events", "before_commit", "after_commit"],
    "columnar-writer": ["block_formed", "before_insert", "after_insert", "after_commit"],
    "sender": ["after_claim", "before_handing", "after_handing", "after_body", "before_record", "after_record"],
}
_PREFIX = {"columnar-writer": "columnar"}
_MJML = "<mjml><mj-body><mj-section><mj-column><mj-text>Hello {{ customer.external_id }}</mj-text></mj-column></mj-section></mj-body></mjml>"  # noqa: E501
_POINT_SECONDS = 8


@pytest.fixture
def mails() -> Iterator[Box]:
    box = Box()
    with smtp_server(box) as port:
        box.port = port  # type: ignore[attr-defined]
        yield box


@pytest.mark.faults
def test_twenty_kills(mails: Box) -> None:
    _weather(mails, kills=KILLS, seed=1)


@pytest.mark.faults
@pytest.mark.long
def test_two_hundred_kills(mails: Box) -> None:
    _weather(mails, kills=LONG_KILLS, seed=int(os.environ.get("KAPELLE_STORM_SEED") or 2))


def _weather(mails: Box, *, kills: int, seed: int) -> None:
    with installation(KAPELLE_SEND_LEASE="4") as live:
        live.cli("workspace", "create", "storm")
        keys = {
            scope: live.cli("key", "create", "--workspace", "storm", "--name", "k", "--scope", scope)
            for scope in ("admin", "write")
        }
        truth = Truth(kernel_config.load(live.environment), "storm")
        recipients = RECIPIENTS * max(1, kills // KILLS)
        campaign = _prepare_campaign(live, keys, recipients, mails.port)  # type: ignore[attr-defined]
        clients = Clients(lambda batch: live.request("POST", "/v1/batch", {"batch": batch}, basic=keys["write"])[0])
        clients.start()
        status, answer = live.request("POST", f"/api/v1/campaigns/{campaign}/send", key=keys["admin"])
        assert status == 202, answer
        done = _kill(live, clients, kills=kills, chance=random.Random(seed))
        clients.stop()
        _send_the_rest(live, keys["admin"], mails.port)  # type: ignore[attr-defined]
        wait_until(truth.is_drained, seconds=90, what="everything projected and copied to columnar")
        truth.check_events(clients.acknowledged)
        _check_mails(live, truth, mails, campaign, recipients)
        print(f"kills {dict(done)}, {len(clients.acknowledged)} events acknowledged, {clients.retries} retries")


def _prepare_campaign(live: Live, keys: dict[str, str], recipients: int, smtp_port: int) -> str:
    batch = [
        {
            "type": "identify",
            "userId": f"r{n}",
            "messageId": f"r{n}",
            "traits": {"email": f"r{n}@example.test", "city": "Bonn"},
        }
        for n in range(recipients)
    ]
    for start in range(0, recipients, 100):
        assert live.request("POST", "/v1/batch", {"batch": batch[start : start + 100]}, basic=keys["write"])[0] == 200
    admin = keys["admin"]
    rule = {"attribute": "city", "op": "eq", "value": "Bonn"}

    def counted() -> bool:
        status, answer = live.request("POST", "/api/v1/segments/preview", {"rule": rule}, key=admin)
        return status == 200 and answer["count"] == recipients

    wait_until(counted, seconds=60, what="all recipients in the segment")
    _, segment = live.request("POST", "/api/v1/segments", {"name": "Bonn", "rule": rule}, key=admin)
    account = {
        "host": "127.0.0.1",
        "port": smtp_port,
        "tls": "none",
        "from_address": "shop@example.test",
        "rate_per_second": MAILS_A_SECOND,
    }
    assert live.request("PUT", "/api/v1/channels/email", account, key=admin)[0] == 200
    draft = {"name": "Storm", "segment_id": segment["id"], "subject": "Hello", "mjml": _MJML}
    status, campaign = live.request("POST", "/api/v1/campaigns", draft, key=admin)
    assert status == 201, campaign
    return str(campaign["id"])


def _kill(live: Live, clients: Clients, *, kills: int, chance: random.Random) -> Counter[str]:
    """Random processes, and every named point once; a kill counts only with freshly acknowledged work in flight."""
    points = [(role, point) for role, names in POINTS.items() for point in names]
    plan: list[tuple[str, str]] = [*points, *((name, "") for name in PROCESSES)]
    while len(plan) < kills:
        plan.append(chance.choice([*points, *((name, "") for name in PROCESSES)]))
    chance.shuffle(plan)
    done: Counter[str] = Counter()
    while plan or sum(done.values()) < kills:
        # A point is missed when a healthy worker was quicker; then another kill takes its place.
        role, point = plan.pop() if plan else (chance.choice(PROCESSES), "")
        wait_until(clients.are_flowing, seconds=60, what="acknowledged work")
        if point:
            done[f"{role}.{point}"] += _die_at(live, role, point)
        else:
            done[role] += live.kill(role)
        time.sleep(chance.uniform(0.05, 0.4))
    return done


def _die_at(live: Live, role: str, point: str) -> bool:
    """One more worker of this role joins and dies at the point."""
    doomed = subprocess.Popen(
        [sys.executable, "-m", "kapelle.web.cli", "worker", role],
        env={**live.environment, "KAPELLE_FAULT": f"{_PREFIX.get(role, role)}.{point}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return doomed.wait(timeout=_POINT_SECONDS) == -signal.SIGKILL
    except subprocess.TimeoutExpired:
        doomed.kill()
        doomed.wait()
        return False


def _send_the_rest(live: Live, admin: str, smtp_port: int) -> None:
    """The storm is over: no need to go slowly any more."""
    account = {"host": "127.0.0.1", "port": smtp_port, "tls": "none", "from_address": "shop@example.test"}

    def accepted() -> bool:
        return live.request("PUT", "/api/v1/channels/email", account, key=admin)[0] == 200

    wait_until(accepted, seconds=30, what="web answering again")


def _check_mails(live: Live, truth: Truth, mails: Box, campaign: str, recipients: int) -> None:
    def settled() -> bool:
        waiting = truth.rows(
            "SELECT count(*) FROM sends WHERE source_id = %s"
            " AND status IN ('queued', 'claimed', 'handing', 'deferred')",
            campaign,
        )
        return bool(waiting[0][0] == 0)

    wait_until(settled, seconds=180, what="every send settled")
    ledger: dict[str, Any] = dict(truth.rows("SELECT address, status FROM sends WHERE source_id = %s", campaign))
    arrived = Counter(mails.addresses)
    assert len(ledger) == recipients
    assert [address for address, times in arrived.items() if times > 1] == []
    assert arrived.keys() <= {address for address, status in ledger.items() if status in {"sent", "unknown"}}
    assert {address for address, status in ledger.items() if status == "sent"} <= arrived.keys()
    assert set(ledger.values()) <= {"sent", "unknown"}
    unknown = sum(status == "unknown" for status in ledger.values())
    print(f"{len(arrived)} of {recipients} mails arrived, {unknown} are listed as unknown")
