"""Addresses in the spelling of their channel."""

from __future__ import annotations

from kapelle.customers.actions.identifiers import NotAnIdentifier, normalize
from kapelle.customers.contracts import PHONE
from kapelle.customers.queries.contacts import KIND_OF
from kapelle.kernel.addresses import AddressInvalid, normalize_email
from kapelle.privacy.contracts import EMAIL, SMS

_MAX_ADDRESS = 4_096  # a browser's push subscription is a long one


def usable(channel: str) -> bool:
    """Whether the channel's addresses are identifiers of the customer, so that theirs can be found."""
    return channel in KIND_OF


def contact_address(channel: str, text: str) -> str:
    """The address as it is stored and compared; raises AddressInvalid."""
    if channel == EMAIL:
        return normalize_email(text)
    if channel == SMS:
        try:
            return normalize(PHONE, text)
        except NotAnIdentifier as error:
            raise AddressInvalid(f"{text[:100]!r} cannot be an address: {error}.") from error
    if not text.strip() or len(text) > _MAX_ADDRESS or "\0" in text:
        raise AddressInvalid(f"An address has 1 to {_MAX_ADDRESS} characters.")
    return text.strip()
