"""Addresses made comparable: one spelling for all that lead to the same mailbox. Pure."""

from __future__ import annotations

import re

import idna

from kapelle.kernel.errors import Invalid

MAX_ADDRESS = 254
MAX_LOCAL = 64
_LOCAL = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x20\x7f]+")
_ASCII_DOMAIN = re.compile(
    r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)


class AddressInvalid(Invalid):
    """Nothing can ever be delivered to this address; `code` is also the ledger's reason."""

    code = "address_invalid"


def normalize_email(text: str) -> str:
    """Lower case, domain in ASCII (IDNA); raises AddressInvalid with what is wrong."""
    address = text.strip().lower()
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain:
        raise AddressInvalid(f"{text!r} is no e-mail address: it needs one @ between a name and a domain.")
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError as error:
            raise AddressInvalid(f"{text!r} has a domain that does not exist: {error}.") from error
    if not _LOCAL.fullmatch(local) or ".." in local or local.startswith(".") or local.endswith("."):
        raise AddressInvalid(f"{text!r} has characters before the @ that cannot be sent to.")
    if not _ASCII_DOMAIN.fullmatch(domain):
        raise AddressInvalid(f"{text!r} has a domain that does not exist.")
    if len(local.encode()) > MAX_LOCAL or len(local.encode()) + 1 + len(domain) > MAX_ADDRESS:
        raise AddressInvalid(f"{text!r} is too long for an e-mail address.")
    return f"{local}@{domain}"
