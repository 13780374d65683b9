"""kill -9 of the sender at each commit boundary while mail flows: nobody is mailed twice, each row accounted for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from kapelle.kernel.clock import utc_now
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.models import SendRow
from live import wait_until
from messaging.shop import add_account, add_customers, add_mailing, rows_of, statuses
from messaging.smtp_server import Box, smtp_server

if TYPE_CHECKING:
    from datetime import datetime

    from kapelle.accounts.contracts import WorkspaceInfo

MAILS = 150  # three groups
POINTS = {
    "sender.after_claim": False,
    "sender.before_handing": False,
    "sender.after_handing": True,
    "sender.after_body": True,
    "sender.before_record": True,
    "sender.after_record": False,
}
# Leases are long, so that a slow machine is no fault of its own; the dead sender's are ended by hand.
_SENDER = [sys.executable, "-m", "kapelle.web.cli", "worker", "sender"]


def start_sender(fault: str = "") -> subprocess.Popen[bytes]:
    environment = {**os.environ, "KAPELLE_SEND_LEASE": "300", "KAPELLE_SENDER_THREADS": "1", "KAPELLE_FAULT": fault}
    return subprocess.Popen(_SENDER, env=environment)


def end_leases(workspace: WorkspaceInfo) -> None:
    """As if the dead sender's time had passed."""
    with workspace_scope(workspace.id):
        SendRow.objects.filter(lease_until__isnull=False).update(lease_until=utc_now() - timedelta(seconds=1))


@pytest.mark.faults
@pytest.mark.parametrize(("point", "leaves_unknown"), POINTS.items())
def test_a_killed_sender_mails_nobody_twice(
    workspace: WorkspaceInfo, now: datetime, point: str, leaves_unknown: bool
) -> None:
    addresses = [f"p{i}@example.test" for i in range(MAILS)]
    ids = add_customers(workspace, now, [{"email": address} for address in addresses])
    box = Box()
    with smtp_server(box) as port:
        add_account(workspace, now, port)
        new = add_mailing(workspace, now, ids)
        # A sender serves all workspaces: it may have died over a mail that another test left behind. Then another dies.
        for _ in range(4):
            doomed = start_sender(f"{point}:{20 if point == 'sender.after_body' else 2}")
            assert doomed.wait(timeout=60) == -signal.SIGKILL, "the point was never passed"
            left = set(statuses(workspace, new).values())
            assert left != {"sent"}, "nothing was in flight"
            if not leaves_unknown or "handing" in left:
                break
            end_leases(workspace)
        end_leases(workspace)
        heir = start_sender()
        try:
            wait_until(
                lambda: set(statuses(workspace, new).values()) <= {"sent", "unknown"}, seconds=60, what="all settled"
            )
        finally:
            heir.terminate()
            heir.wait(timeout=20)
    assert len(box.addresses) == len(set(box.addresses)), "somebody was mailed twice"
    ends = {address: row.status for address, row in rows_of(workspace, new).items()}
    assert sorted(ends) == sorted(addresses)
    sent = {address for address, status in ends.items() if status == "sent"}
    unknown = set(ends) - sent
    assert sent <= set(box.addresses)
    assert set(box.addresses) <= sent | unknown
    assert bool(unknown) == leaves_unknown
