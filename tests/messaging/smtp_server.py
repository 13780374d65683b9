"""A real SMTP server in this process that keeps what it takes, with the failures that real ones have."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from email import policy
from email.parser import BytesParser
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from live import free_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from email.message import EmailMessage


class Box:
    """Mails in the order of arrival. `refuse` and `fates` say, by recipient, what happens instead."""

    def __init__(self) -> None:
        self.raw: list[tuple[str, bytes]] = []
        self.refuse: dict[str, str] = {}  # at RCPT: "550 5.1.1 no such user"
        self.fates: dict[str, str] = {}  # after DATA: a reply, or "drop" (kept, then no answer)
        self.drop_at_mail = 0  # close the connection this many times at MAIL FROM
        self.sessions = 0
        self._lock = threading.Lock()

    @property
    def addresses(self) -> list[str]:
        return [address for address, _ in self.raw]

    def mail(self, address: str) -> EmailMessage:
        (raw,) = [body for to, body in self.raw if to == address]
        return BytesParser(policy=policy.default).parsebytes(raw)  # type: ignore[return-value]

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.sessions += 1
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.drop_at_mail > 0:
            self.drop_at_mail -= 1
            server.transport.close()
            return "421 going away"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        (address,) = envelope.rcpt_tos
        fate = self.fates.get(address, "250 2.0.0 taken")
        with self._lock:
            if fate.startswith("2") or fate == "drop":
                self.raw.append((address, bytes(envelope.content or b"")))
        if fate == "drop":
            server.transport.close()
        return fate


@contextmanager
def smtp_server(
    box: Box, *, context: ssl.SSLContext | None = None, login: tuple[str, str] | None = None, tls: bool = False
) -> Iterator[int]:
    """The port of a running server. `context`: STARTTLS, or TLS from the start with `tls`."""

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        ok = isinstance(data, LoginPassword) and (data.login.decode(), data.password.decode()) == login
        return AuthResult(success=ok, handled=False)

    options: dict[str, Any] = {"enable_SMTPUTF8": True, "decode_data": False, "data_size_limit": None}
    if login:
        options |= {"authenticator": check, "auth_required": True, "auth_require_tls": False}
    if context is not None and not tls:
        options |= {"tls_context": context, "require_starttls": True}
    controller = Controller(
        box, hostname="127.0.0.1", port=free_port(), ssl_context=context if tls else None, **options
    )
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
