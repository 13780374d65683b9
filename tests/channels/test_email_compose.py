"""Mails as the standard library and real mail programs read them back."""

from __future__ import annotations

from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapelle.channels.email.actions import Composer, Envelope
from kapelle.channels.email.contracts import normalize_address
from kapelle.kernel.addresses import AddressInvalid
from kapelle.kernel.errors import Invalid
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from email.message import EmailMessage

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MAX_LINE = 998


def composer(**changes: Any) -> Composer:
    fields = {
        "from_address": "news@shop.example",
        "from_name": "Shop",
        "reply_to": "",
        "list_id": "m",
        "feedback_id": "a:b",
    }
    return Composer(**{**fields, **changes})


def compose(sender: Composer | None = None, **changes: Any) -> tuple[bytes, EmailMessage]:
    fields: dict[str, Any] = {
        "send_id": uuid7(),
        "address": "ann@example.test",
        "name": "",
        "subject": "Hello",
        "text": "Hi\n",
        "html": "<p>Hi</p>",
        "unsubscribe_url": "https://shop.example/u/abc",
    }
    raw = (sender or composer()).compose(Envelope(**{**fields, **changes}), NOW).body
    return raw, BytesParser(policy=policy.default).parsebytes(raw)  # type: ignore[return-value]


def body(mail: EmailMessage, kind: str) -> str:
    return str(mail.get_body((kind,)).get_content()).replace("\r\n", "\n")  # type: ignore[union-attr]


def test_a_mail_has_what_large_mailbox_providers_ask_for() -> None:
    send_id = uuid7()
    _, mail = compose(composer(from_name="Мой магазин", reply_to="help@shop.example"), send_id=send_id, name="Ann Ф")
    assert mail["From"].addresses == (Address("Мой магазин", "news", "shop.example"),)
    assert mail["To"].addresses == (Address("Ann Ф", "ann", "example.test"),)
    assert mail["Reply-To"] == "help@shop.example"
    assert mail["Message-ID"] == f"<{send_id.hex}@shop.example>"
    assert parsedate_to_datetime(mail["Date"]) == NOW
    assert mail["List-Unsubscribe"] == "<https://shop.example/u/abc>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-ID"] == "<m.shop.example>"
    assert mail["Feedback-ID"] == "a:b"
    assert mail["Precedence"] is None
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert not mail.defects


_TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\x00"), max_size=3000
)


@given(subject=st.text(max_size=300), name=st.text(max_size=100), text=_TEXTS, html=_TEXTS)
def test_any_words_come_back_as_they_were(subject: str, name: str, text: str, html: str) -> None:
    subject, name, text, html = (value.encode("utf-8", "replace").decode() for value in (subject, name, text, html))
    raw, mail = compose(subject=subject, name=name, text=text, html=html)
    assert all(len(line) <= MAX_LINE for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert raw.isascii()
    header_names = {"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "List-ID"}
    assert set(mail.keys()) == header_names | {"Feedback-ID", "List-Unsubscribe", "List-Unsubscribe-Post"}
    assert body(mail, "plain").rstrip("\n") == text.rstrip("\n")
    assert body(mail, "html").rstrip("\n") == html.rstrip("\n")


@pytest.mark.parametrize("subject", ["Распродажа " * 20, "a" * 300, "=?utf-8?b?x?=", "tab\tand  spaces", "😀" * 60])
def test_a_subject_survives_folding_and_encoding(subject: str) -> None:
    _, mail = compose(subject=subject)
    assert mail["Subject"] == " ".join(subject.split())


@pytest.mark.parametrize("field", ["subject", "name"])
def test_no_header_can_be_smuggled_in(field: str) -> None:
    _, mail = compose(**{field: "x\r\nBcc: victim@example.test\r\n\r\nbody"})
    assert mail["Bcc"] is None
    assert body(mail, "plain") == "Hi\n"
    with pytest.raises(Invalid):
        composer(from_name="x\r\nBcc: victim@example.test")


@pytest.mark.parametrize(
    ("given_address", "normal"),
    [
        (" Ann@Example.TEST ", "ann@example.test"),
        ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
        ("анна@пример.test", "анна@xn--e1afmkfd.test"),
        ("a+b_c-d@sub.example.test", "a+b_c-d@sub.example.test"),
    ],
)
def test_addresses_are_made_comparable(given_address: str, normal: str) -> None:
    assert normalize_address(given_address) == normal


@pytest.mark.parametrize(
    "address",
    ["", "ann", "@example.test", "ann@", "a b@example.test", "a@b@c.test", "a..b@example.test", ".a@example.test",
     "a\r\n@example.test", "a@exa mple.test", "a@-x.test", f"{'a' * 65}@example.test", "a,b@example.test",
     "<a@b.test>"],
)  # fmt: skip
def test_what_can_never_be_delivered_is_refused(address: str) -> None:
    with pytest.raises(AddressInvalid):
        normalize_address(address)
