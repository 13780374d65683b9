"""Handing mails over by SMTP: one kept-alive connection, commands pipelined where the server offers it.

The standard library opens the line (EHLO, STARTTLS, AUTH); the transaction itself is written here, because what
may be tried again depends on exactly how far it came.
"""

from __future__ import annotations

import base64
import logging
import smtplib
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING

from kapelle.channels.contracts import ChannelDown, Message, Outcome, Result
from kapelle.channels.email.contracts import TlsMode
from kapelle.kernel import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kapelle.channels.email.contracts import EmailAccount

log = logging.getLogger("kapelle.channels.email")

CONNECT_SECONDS = 15.0
REPLY_SECONDS = 60.0
MAX_ANSWER = 300
_MAILS_A_CONNECTION = 1000  # many servers close a line after some number of mails; a fresh one is cheap by then
_GONE = 421  # the server closes the line after this reply
_PERMANENT = 500
_START_BODY = 354
_GO_ON = 334
_LOGGED_IN = 235
_DEAD_CODES = (b"5.1.1", b"5.1.0", b"5.1.6", b"5.1.10", b"5.2.1")  # no such mailbox; moved; disabled
_LINE_ERRORS = (OSError, smtplib.SMTPException)


class SmtpChannel:
    """One connection to one account's server, used by one thread at a time."""

    def __init__(self, account: EmailAccount) -> None:
        self.account = account
        self._line: smtplib.SMTP | None = None
        self._used = 0

    def send_batch(self, messages: Sequence[Message], *, may_start: Callable[[], bool]) -> list[Result]:
        """See channels.contracts.Channel."""
        results: list[Result] = []
        for message in messages:
            if not may_start():
                break
            try:
                result = self._send_afresh(message)
            except ChannelDown:
                if not results:
                    raise
                break
            except Exception as error:  # unforeseen: whether this one went out nobody knows, the rest did not
                log.exception("send %s", message.id)
                self.close()
                result = Result(message.id, Outcome.UNKNOWN, f"unexpected {type(error).__name__}: {_words(error)}")
            results.append(result)
            self._used += 1
            if self._line is None:  # it broke under this mail: let the sender look before the next one
                break
            if self._used >= _MAILS_A_CONNECTION:
                self.close()
        return results + [Result(message.id, Outcome.NOT_STARTED, "") for message in messages[len(results) :]]

    def _send_afresh(self, message: Message) -> Result:
        """Send it. A kept line that the server has closed meanwhile is no fault: once more on a fresh one."""
        was_kept = self._line is not None
        result = self._send(self._line or self._open(), message)
        if result.outcome is Outcome.NOT_STARTED and was_kept:
            self.close()
            result = self._send(self._open(), message)
        if result.outcome is Outcome.NOT_STARTED:
            self.close()
            return Result(message.id, Outcome.DEFERRED, result.answer)
        return result

    def close(self) -> None:
        """Say goodbye if the line still stands."""
        line, self._line, self._used = self._line, None, 0
        if line is None:
            return
        try:
            if line.sock:
                line.sock.settimeout(1)
            line.quit()
        except _LINE_ERRORS:
            line.close()

    def _open(self) -> smtplib.SMTP:
        account = self.account
        try:
            line: smtplib.SMTP
            if account.tls is TlsMode.TLS:
                line = smtplib.SMTP_SSL(
                    account.host, account.port, timeout=CONNECT_SECONDS, context=_tls_context(account.ca_file)
                )
            else:
                line = smtplib.SMTP(account.host, account.port, timeout=CONNECT_SECONDS)
            line.ehlo_or_helo_if_needed()
            if account.tls is TlsMode.STARTTLS:
                line.starttls(context=_tls_context(account.ca_file))
                line.ehlo_or_helo_if_needed()
            if account.username:
                _login(line, account)
        except (*_LINE_ERRORS, ValueError) as error:  # ValueError: a host or a name that no server can have
            raise ChannelDown(f"{account.host}:{account.port}: {_words(error)}") from error
        if line.sock:
            line.sock.settimeout(REPLY_SECONDS)
        self._line = line
        return line

    def _send(self, line: smtplib.SMTP, message: Message) -> Result:
        try:
            refused = self._begin(line, message)
            if refused is not None:
                return refused
        except _LINE_ERRORS as error:
            return Result(message.id, Outcome.NOT_STARTED, _words(error))
        # From the first byte of the body on, silence means that nobody knows.
        try:
            line.send(_on_the_wire(message.body))
            faults.point("sender.after_body")
            code, answer = line.getreply()
        except _LINE_ERRORS as error:
            self.close()
            return Result(message.id, Outcome.UNKNOWN, _words(error))
        if code < 0:
            self.close()
            return Result(message.id, Outcome.UNKNOWN, "the connection broke after the body")
        return self._judge(message, code, answer)

    def _begin(self, line: smtplib.SMTP, message: Message) -> Result | None:
        """MAIL, RCPT, DATA; None when the server waits for the body. Raises on a broken line: nothing was sent."""
        options = f" SIZE={len(message.body)}" if line.has_extn("size") else ""
        if not message.address.isascii():
            if not line.has_extn("smtputf8"):
                return Result(message.id, Outcome.FAILED, "the server takes no addresses beyond ASCII (SMTPUTF8)")
            options += " SMTPUTF8 BODY=8BITMIME"
        commands = [
            f"MAIL FROM:<{self.account.from_address}>{options}\r\n".encode(),
            f"RCPT TO:<{message.address}>\r\n".encode(),
            b"DATA\r\n",
        ]
        refused: Result | None = None
        if line.has_extn("pipelining"):
            line.send(b"".join(commands))
            replies = [_reply(line) for _ in commands]
        else:
            replies = []
            for command in commands:
                line.send(command)
                replies.append(_reply(line))
                if replies[-1][0] >= 400:  # noqa: PLR2004  # 4xx and 5xx refuse
                    break
        for code, answer in replies:
            if code >= 400:  # noqa: PLR2004
                refused = self._judge(message, code, answer)
                break
        if refused is None:
            return None
        if len(replies) == len(commands) and replies[-1][0] == _START_BODY:
            # A pipelined DATA was accepted although no recipient was: end it with an empty body, then start clean.
            line.send(b".\r\n")
            _reply(line)
        if self._line is not None:
            line.send(b"RSET\r\n")
            _reply(line)
        return refused

    def _judge(self, message: Message, code: int, answer: bytes) -> Result:
        text = f"{code} {answer.decode('utf-8', 'replace')}"[:MAX_ANSWER]
        if code == _GONE:
            self.close()
        if code < 400:  # noqa: PLR2004
            return Result(message.id, Outcome.SENT, text)
        if code < _PERMANENT:
            return Result(message.id, Outcome.DEFERRED, text)
        return Result(message.id, Outcome.FAILED, text, is_dead=any(dead in answer for dead in _DEAD_CODES))


def _login(line: smtplib.SMTP, account: EmailAccount) -> None:
    """PLAIN or else LOGIN, in UTF-8 (the library's own takes ASCII only). One try: a refusal is not tried otherwise."""
    offered = str(line.esmtp_features.get("auth", "")).upper().split()
    if "PLAIN" in offered:
        code, answer = line.docmd("AUTH", "PLAIN " + _base64(f"\0{account.username}\0{account.password}"))
    elif "LOGIN" in offered:
        code, answer = line.docmd("AUTH", "LOGIN " + _base64(account.username))
        if code == _GO_ON:
            code, answer = line.docmd(_base64(account.password))
    else:
        raise smtplib.SMTPNotSupportedError("the server offers neither AUTH PLAIN nor AUTH LOGIN on this line")
    if code != _LOGGED_IN:
        raise smtplib.SMTPAuthenticationError(code, answer)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _reply(line: smtplib.SMTP) -> tuple[int, bytes]:
    code, answer = line.getreply()
    if code < 0:
        raise smtplib.SMTPServerDisconnected("the server closed the connection")
    return code, answer


def _on_the_wire(body: bytes) -> bytes:
    """With doubled dots and the closing dot (RFC 5321 4.5.2)."""
    doubled = body.replace(b"\r\n.", b"\r\n..")
    return doubled + (b".\r\n" if doubled.endswith(b"\r\n") else b"\r\n.\r\n")


@lru_cache(maxsize=16)
def _tls_context(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file or None)


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return f"{error.smtp_code} {said}"[:MAX_ANSWER]
    return (str(error) or type(error).__name__)[:MAX_ANSWER]
