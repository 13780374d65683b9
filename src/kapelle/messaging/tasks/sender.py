"""`worker sender`: claims due mail, renders it, hands it over by SMTP, records what became of it.

Threads of one process share the board (what is due) and work on one group of mails at a time. Any number of sender
processes may run: the ledger's claims keep them apart. Rates and pools are counted for each process.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import DatabaseError, InterfaceError, connection

from kapelle.accounts.queries import list_workspaces
from kapelle.channels.contracts import AccountMissing, ChannelDown, Outcome, Result
from kapelle.channels.email.actions import SmtpChannel, note_trouble
from kapelle.channels.email.queries import get_account
from kapelle.kernel import faults
from kapelle.kernel.clock import utc_now
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.actions import (
    Disarmed,
    Press,
    Recipient,
    begin_handing,
    check_armed,
    claim_sends,
    doubt,
    finish_mailings,
    make_keys,
    number_links,
    record_results,
    recover_leases,
)
from kapelle.messaging.queries import list_due_mailings, load_mailing, read_customers
from kapelle.messaging.tasks.board import Board

if TYPE_CHECKING:
    from uuid import UUID

    from kapelle.channels.contracts import Message
    from kapelle.channels.email.contracts import EmailAccount
    from kapelle.messaging.actions import Claimed
    from kapelle.messaging.queries import DueMailing

log = logging.getLogger(__name__)

GROUP = 50  # mails between two commits: the most that one crash can leave unknown in a thread
_SCAN_SECONDS = 0.5
_CACHE_SECONDS = 30.0
_MAX_PRESSES = 20
_NOBODY: dict[str, object] = {"customer": {}, "attributes": {}}


@dataclass(slots=True)
class _Line:
    """One thread's hold on one workspace: its account, connection and presses, looked up again now and then."""

    account: EmailAccount
    channel: SmtpChannel
    fresh_until: float
    presses: dict[UUID, Press] = field(default_factory=dict)


def run(stop: threading.Event) -> None:
    """Send until `stop` is set. Environment: KAPELLE_SENDER_THREADS, KAPELLE_SEND_LEASE (seconds)."""
    lease = timedelta(seconds=float(os.environ.get("KAPELLE_SEND_LEASE") or 600))
    make_keys()
    board = Board()
    threads = [
        threading.Thread(target=Worker(board, stop, lease).run, name=f"sender-{number}")
        for number in range(int(os.environ.get("KAPELLE_SENDER_THREADS") or 4))
    ]
    for thread in threads:
        thread.start()
    seen: set[UUID] = set()
    while not stop.is_set():
        try:
            _scan(board, seen)
        except (DatabaseError, InterfaceError) as error:
            log.warning("the database is away: %s", error)
            connection.close()
            doubt()
        stop.wait(_SCAN_SECONDS)
    board.close()
    for thread in threads:
        thread.join()
    _fence(seen)
    connection.close()


def _scan(board: Board, seen: set[UUID]) -> None:
    """Housekeeping of every workspace, then what is due."""
    due = []
    for workspace in list_workspaces():
        now = utc_now()
        with workspace_scope(workspace.id):
            recover_leases(now=now)
            finish_mailings(now=now)
            found = list_due_mailings(now)
        if not found:
            continue
        try:
            check_armed(workspace_id=workspace.id, now=now, anew=workspace.id not in seen)
        except Disarmed as error:
            log.error("workspace %s: %s", workspace.slug, error.message)  # noqa: TRY400  # no traceback for a state
            board.pause(workspace.id, error.message)
            continue
        seen.add(workspace.id)
        due += found
    board.post(due)


def _fence(workspaces: set[UUID]) -> None:
    """At a stop: a backup taken before now must not send again what was sent until now."""
    for workspace_id in workspaces:
        try:
            check_armed(workspace_id=workspace_id, now=utc_now(), anew=True)
        except (Disarmed, DatabaseError, InterfaceError):
            log.warning("workspace %s: the sending epoch could not be raised at the stop", workspace_id)


class Worker:
    """One thread: one group after another."""

    def __init__(self, board: Board, stop: threading.Event, lease: timedelta) -> None:
        self._board = board
        self._stop = stop
        self._lease = lease
        self._short = lease / 5  # of a claim, and for starting mails of a group: the rest of the lease is for answers
        self._lines: dict[UUID, _Line] = {}

    def run(self) -> None:
        """Until the board closes."""
        while (due := self._board.take()) is not None:
            try:
                done = self._work(due)
                self._board.give_back(due, exhausted=not done)
            except (ChannelDown, AccountMissing, Disarmed) as error:
                self._board.give_back(due, exhausted=True)
                self._trouble(due, error.message)
            except (DatabaseError, InterfaceError) as error:
                log.warning("the database is away: %s", error)
                connection.close()
                doubt()
                self._board.give_back(due, exhausted=True)
                self._stop.wait(1)
            except Exception:
                log.exception("mailing %s", due.id)
                self._board.give_back(due, exhausted=True)
                self._board.pause(due.workspace_id, "an unexpected error")
        for line in self._lines.values():
            line.channel.close()
        connection.close()

    def _work(self, due: DueMailing) -> int:
        """One group of a mailing, from claim to record; returns how many rows were claimed."""
        line = self._line(due.workspace_id)
        limit = self._board.allow(due.workspace_id, line.account, GROUP)
        if not limit:
            return 0
        token = uuid7()
        claimed = claim_sends(
            workspace_id=due.workspace_id, mailing_id=due.id, limit=limit, token=token, now=utc_now(), lease=self._short
        )
        faults.point("sender.after_claim")
        if not claimed:
            return 0
        check_armed(workspace_id=due.workspace_id, now=utc_now())
        press = self._press(line, due)
        messages, broken = self._print(press, claimed)
        results = [Result(row_id, Outcome.FAILED, f"not rendered: {why}") for row_id, why in broken.items()]
        faults.point("sender.before_handing")
        allowed = begin_handing(
            workspace_id=due.workspace_id,
            ids=[message.id for message in messages],
            token=token,
            now=utc_now(),
            lease=self._lease,
        )
        faults.point("sender.after_handing")
        messages = [message for message in messages if message.id in allowed]
        down: ChannelDown | None = None
        try:
            results += self._hand_over(line, messages)
        except ChannelDown as error:
            down = error
            results += [Result(message.id, Outcome.NOT_STARTED, error.message) for message in messages]
        faults.point("sender.before_record")
        self._record(press, claimed, results, token)
        faults.point("sender.after_record")
        if down is not None:
            raise down
        self._judge(due, results)
        return len(claimed)

    def _print(self, press: Press, claimed: list[Claimed]) -> tuple[list[Message], dict[UUID, str]]:
        """The group's mails, and by send id why some could not be rendered."""
        workspace_id = press.mailing.workspace_id
        with workspace_scope(workspace_id):
            facts = read_customers([shown for row in claimed if (shown := row.customer_id or row.render_as)])
        recipients = [
            Recipient(row.id, row.address, facts.get(row.customer_id or row.render_as or row.id, dict(_NOBODY)))
            for row in claimed
        ]
        rendered, broken = press.render(recipients)
        if unknown := press.unknown_links(rendered):
            with workspace_scope(workspace_id):
                numbers = number_links(workspace_id=workspace_id, urls=unknown)
            press.learn_links(numbers)
        now = utc_now().replace(microsecond=0)
        return [press.compose(recipient, mail, now) for recipient, mail in rendered], broken

    def _hand_over(self, line: _Line, messages: list[Message]) -> list[Result]:
        end = time.monotonic() + self._short.total_seconds()
        return line.channel.send_batch(messages, may_start=lambda: not self._stop.is_set() and time.monotonic() < end)

    def _record(self, press: Press, claimed: list[Claimed], results: list[Result], token: UUID) -> None:
        """Keep at it while the lease holds: what is not recorded ends as unknown."""
        end = time.monotonic() + self._short.total_seconds()
        while True:
            try:
                record_results(mailing=press.mailing, claimed=claimed, results=results, token=token, now=utc_now())
            except (DatabaseError, InterfaceError):
                connection.close()
                if time.monotonic() > end:
                    raise
                time.sleep(1)
            else:
                return

    def _judge(self, due: DueMailing, results: list[Result]) -> None:
        """After a broken line wait before the next group; after a good one forget old trouble."""
        outcomes = {result.outcome for result in results}
        if Outcome.UNKNOWN in outcomes or (Outcome.NOT_STARTED in outcomes and not self._stop.is_set()):
            answers = [result.answer for result in results if result.outcome is not Outcome.SENT and result.answer]
            self._trouble(due, answers[0] if answers else "the server broke the connection")
        elif Outcome.SENT in outcomes and self._board.recovered(due.workspace_id):
            note_trouble(workspace_id=due.workspace_id, problem="", now=utc_now())

    def _trouble(self, due: DueMailing, problem: str) -> None:
        seconds = self._board.pause(due.workspace_id, problem)
        log.warning("workspace %s waits %.0f s: %s", due.workspace_id, seconds, problem)
        if line := self._lines.pop(due.workspace_id, None):
            line.channel.close()
        try:
            note_trouble(workspace_id=due.workspace_id, problem=problem, now=utc_now())
        except (DatabaseError, InterfaceError):
            connection.close()

    def _line(self, workspace_id: UUID) -> _Line:
        line = self._lines.get(workspace_id)
        if line is not None and time.monotonic() < line.fresh_until:
            return line
        with workspace_scope(workspace_id):
            account = get_account()
        if line is None or line.account != account:
            if line is not None:
                line.channel.close()
            line = self._lines[workspace_id] = _Line(account, SmtpChannel(account), 0)
        line.fresh_until = time.monotonic() + _CACHE_SECONDS
        return line

    def _press(self, line: _Line, due: DueMailing) -> Press:
        press = line.presses.get(due.id)
        if press is None:
            if len(line.presses) >= _MAX_PRESSES:
                line.presses.clear()
            with workspace_scope(due.workspace_id):
                press = line.presses[due.id] = Press(load_mailing(due.id), line.account)
        return press
