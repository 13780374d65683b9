"""SMTP as real servers speak it: TLS, login, refusals, broken lines."""

from __future__ import annotations

import ipaddress
import smtplib
import ssl
from datetime import UTC, datetime, timedelta
from functools import partialmethod
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kapelle.channels.contracts import ChannelDown, Message, Outcome
from kapelle.channels.email.actions import SmtpChannel
from kapelle.channels.email.contracts import EmailAccount, TlsMode
from kapelle.kernel.ids import uuid7
from messaging.smtp_server import Box, smtp_server

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kapelle.channels.contracts import Result


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of its own authority for 127.0.0.1, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    made = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(made - timedelta(days=1))
        .not_valid_after(made + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    no_password = serialization.NoEncryption()
    path.write_bytes(
        cert.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password)
    )
    return path


@pytest.fixture(scope="module")
def context(certificate: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(certificate)
    return made


def account(port: int, **changes: Any) -> EmailAccount:
    fields: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "tls": TlsMode.NONE,
        "username": "",
        "password": "",
        "from_address": "news@shop.example",
        "from_name": "",
        "reply_to": "",
        "pool_size": 1,
        "rate_per_second": 0,
        "tracking_url": "",
        "ca_file": "",
    }
    return EmailAccount(**{**fields, **changes})


def send(channel: SmtpChannel, addresses: Sequence[str], body: bytes = b"Subject: x\r\n\r\nhi\r\n") -> list[Result]:
    messages = [Message(uuid7(), address, body) for address in addresses]
    return channel.send_batch(messages, may_start=lambda: True)


def outcomes(results: Sequence[Result]) -> list[str]:
    return [result.outcome.value for result in results]


def test_one_connection_carries_many_mails_and_dots_arrive_whole() -> None:
    box = Box()
    body = b"Subject: x\r\n\r\n.\r\n..two\r\n.one\r\nend"
    with smtp_server(box) as port:
        channel = SmtpChannel(account(port))
        assert set(outcomes(send(channel, [f"p{i}@example.test" for i in range(20)], body))) == {"sent"}
        channel.close()
    assert box.sessions == 1
    assert box.raw[0][1] == body + b"\r\n"


def test_tls_and_login_work_and_the_certificate_is_verified(certificate: Path, context: ssl.SSLContext) -> None:
    for tls, mode in ((False, TlsMode.STARTTLS), (True, TlsMode.TLS)):
        box = Box()
        with smtp_server(box, context=context, login=("user", "secret"), tls=tls) as port:
            good = account(port, tls=mode, username="user", password="secret", ca_file=str(certificate))
            assert outcomes(send(SmtpChannel(good), ["a@example.test"])) == ["sent"]
            with pytest.raises(ChannelDown, match="certificate"):
                send(SmtpChannel(account(port, tls=mode)), ["b@example.test"])
            bad = account(port, tls=mode, username="user", password="wrong", ca_file=str(certificate))
            with pytest.raises(ChannelDown, match="535"):
                send(SmtpChannel(bad), ["c@example.test"])
        assert box.addresses == ["a@example.test"]


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN"])
def test_a_password_may_have_letters_of_any_language(
    certificate: Path, context: ssl.SSLContext, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box()
    with smtp_server(box, context=context, login=("Jürgen", "пароль ü"), tls=True) as port:
        channel = SmtpChannel(
            account(port, tls=TlsMode.TLS, username="Jürgen", password="пароль ü", ca_file=str(certificate))
        )
        monkeypatch.setattr(smtplib.SMTP, "ehlo_or_helo_if_needed", partialmethod(_greet, way))
        assert outcomes(send(channel, ["a@example.test"])) == ["sent"]


def _greet(line: smtplib.SMTP, way: str) -> None:
    line.ehlo()
    line.esmtp_features["auth"] = way


def test_a_host_that_cannot_be_is_a_channel_that_is_down() -> None:
    with pytest.raises(ChannelDown):
        send(SmtpChannel(account(25, host="x" * 70 + ".example")), ["a@example.test"])


def test_a_refusal_does_not_disturb_the_next_mail() -> None:
    box = Box()
    box.refuse = {"dead@example.test": "550 5.1.1 no such user", "busy@example.test": "451 4.7.1 later"}
    box.fates = {"spam@example.test": "554 5.7.1 no"}
    with smtp_server(box) as port:
        channel = SmtpChannel(account(port))
        results = send(channel, ["dead@example.test", "busy@example.test", "spam@example.test", "ok@example.test"])
        channel.close()
    assert outcomes(results) == ["failed", "deferred", "failed", "sent"]
    assert [result.is_dead for result in results] == [True, False, False, False]
    assert results[0].answer == "550 5.1.1 no such user"
    assert box.addresses == ["ok@example.test"]


def test_silence_after_the_body_is_unknown_and_stops_the_group() -> None:
    box = Box()
    box.fates = {"b@example.test": "drop"}
    with smtp_server(box) as port:
        channel = SmtpChannel(account(port))
        results = send(channel, ["a@example.test", "b@example.test", "c@example.test"])
    assert outcomes(results) == ["sent", "unknown", "not_started"]


def test_an_idle_line_that_was_closed_is_opened_again() -> None:
    box = Box()
    with smtp_server(box) as port:
        channel = SmtpChannel(account(port))
        send(channel, ["a@example.test"])
        box.drop_at_mail = 1
        assert outcomes(send(channel, ["b@example.test"])) == ["sent"]
        channel.close()
    assert box.addresses == ["a@example.test", "b@example.test"]


def test_a_server_that_always_hangs_up_defers_one_mail_and_leaves_the_rest() -> None:
    box = Box()
    box.drop_at_mail = 100
    with smtp_server(box) as port:
        results = send(SmtpChannel(account(port)), ["a@example.test", "b@example.test"])
    assert outcomes(results) == ["deferred", "not_started"]


def test_nothing_starts_when_it_may_not() -> None:
    box = Box()
    with smtp_server(box) as port:
        messages = [Message(uuid7(), "a@example.test", b"x\r\n")]
        results = SmtpChannel(account(port)).send_batch(messages, may_start=lambda: False)
    assert [result.outcome for result in results] == [Outcome.NOT_STARTED]
    assert box.raw == []


def test_a_server_that_is_away_is_said_so() -> None:
    with smtp_server(Box()) as port:
        pass
    with pytest.raises(ChannelDown, match=str(port)):
        send(SmtpChannel(account(port)), ["a@example.test"])


def test_an_address_beyond_ascii_goes_where_the_server_takes_it() -> None:
    box = Box()
    with smtp_server(box) as port:
        assert outcomes(send(SmtpChannel(account(port)), ["анна@example.test"])) == ["sent"]
    assert box.addresses == ["анна@example.test"]


def test_an_error_that_nobody_foresaw_leaves_one_mail_uncertain_and_the_rest_unsent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin = SmtpChannel._begin

    def stumble(self: SmtpChannel, line: smtplib.SMTP, message: Message) -> Result | None:
        if message.address.startswith("b"):
            raise LookupError("nobody thought of this")
        return begin(self, line, message)

    monkeypatch.setattr(SmtpChannel, "_begin", stumble)
    box = Box()
    with smtp_server(box) as port:
        results = send(SmtpChannel(account(port)), [f"{name}@example.test" for name in "abcd"])
    assert outcomes(results) == ["sent", "unknown", "not_started", "not_started"]
    assert results[1].answer == "unexpected LookupError: nobody thought of this"
    assert box.addresses == ["a@example.test"]
