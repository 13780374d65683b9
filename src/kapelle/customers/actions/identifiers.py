"""Normalises identifiers and reads them out of events. Values that many people share never identify anybody. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import phonenumbers

from kapelle.customers.contracts import ANONYMOUS_ID, DEVICE_ID, EMAIL, PHONE, USER_ID, strength

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kapelle.customers.contracts import IdentifierPair
    from kapelle.events.contracts import Event

MAX_LENGTH = 255
_MAX_EMAIL_LENGTH = 254
_EMAIL = re.compile(r"[^\s@\"<>(),;:\\\[\]]+@[^\s@\"<>(),;:\\\[\]]+\.[^\s@\"<>(),;:\\\[\]]+")
_KIND = re.compile(r"[a-z0-9][a-z0-9_.\-]{0,39}")
_ZEROS = re.compile(r"[0\-]+")
_FILLERS = """
null nil none undefined nan n/a na unknown anonymous guest user test true false void empty - {} []
test@test.com test@example.com example@example.com user@example.com email@example.com noreply@example.com
no@email.com none@none.com
"""
_BLOCKED = frozenset(_FILLERS.split()) | {"[object object]"}


class NotAnIdentifier(ValueError):
    """The value cannot name one person; the message says why."""


def normalize(kind: str, value: str) -> str:
    """The form in which the value is stored and compared; raises NotAnIdentifier."""
    text = value.strip()
    if kind == EMAIL:
        text = _normalize_email(text)
    elif kind == PHONE:
        text = _normalize_phone(text)
    if not text or len(text) > MAX_LENGTH:
        raise NotAnIdentifier(f"it must have 1 to {MAX_LENGTH} characters")
    if text.lower() in _BLOCKED or _ZEROS.fullmatch(text):
        raise NotAnIdentifier(f"{text[:40]!r} is a filler that many people share")
    return text


def normalize_kind(kind: str) -> str:
    """A kind of identifier as it is stored; raises NotAnIdentifier."""
    text = kind.strip().lower()
    if not _KIND.fullmatch(text):
        raise NotAnIdentifier("a kind is made of a-z, 0-9, '_', '.', '-', 40 characters at most")
    return text


def normalize_all(pairs: Iterable[tuple[str, str]]) -> tuple[IdentifierPair, ...]:
    """The usable ones of these, normalised, each once, strongest first."""
    return _usable_ones(tuple(pairs))


def identifiers_of(event: Event) -> tuple[IdentifierPair, ...]:
    """Everything in an event that names its customer, strongest first. The traits of a group are not the customer's."""
    pairs: list[tuple[str, str]] = []
    for kind, value in event.identifiers:
        if kind == "previous_id":  # it may name either; naming a second user_id says that both are one person
            pairs += ((USER_ID, value), (ANONYMOUS_ID, value))
        else:
            pairs.append((kind, value))
    context = event.context
    if event.traits:
        pairs += _contacts(event.traits)
    if "traits" in context:
        pairs += _contacts(context["traits"])
    device = context.get("device")
    if isinstance(device, dict) and isinstance(device.get("id"), str):
        pairs.append((DEVICE_ID, device["id"]))
    if "externalIds" in context:
        pairs += _external_ids(context["externalIds"])
    return normalize_all(pairs)


def _contacts(traits: Any) -> list[tuple[str, str]]:
    if not isinstance(traits, dict):
        return []
    return [(kind, str(traits[kind])) for kind in (EMAIL, PHONE) if _is_scalar(traits.get(kind))]


def _external_ids(items: Any) -> list[tuple[str, str]]:
    """Segment's `context.externalIds`: [{"id": ..., "type": ...}]. A user id has a field of its own."""
    found = [
        (item["type"], str(item["id"]))
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, dict) and _is_scalar(item.get("id")) and isinstance(item.get("type"), str)
    ]
    return [(kind, value) for kind, value in found if kind.strip().lower() != USER_ID]


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _strength(pair: IdentifierPair) -> int:
    return strength(pair[0])


@lru_cache(maxsize=100_000)  # a visitor's every event names the same ones
def _usable_ones(pairs: tuple[tuple[str, str], ...]) -> tuple[IdentifierPair, ...]:
    found = {pair: None for kind, value in pairs if (pair := _usable(kind, value)) is not None}
    return tuple(sorted(found, key=_strength))


def _usable(kind: str, value: str) -> IdentifierPair | None:
    """The normalised pair, or None if it identifies nobody."""
    try:
        known_kind = normalize_kind(kind)
        return known_kind, normalize(known_kind, value)
    except NotAnIdentifier:
        return None


def _normalize_email(text: str) -> str:
    if len(text) > _MAX_EMAIL_LENGTH or not _EMAIL.fullmatch(text):
        raise NotAnIdentifier("it is not an e-mail address")
    return text.lower()


def _normalize_phone(text: str) -> str:
    if not text.startswith("+"):
        raise NotAnIdentifier("a phone number must be international: +, country code, number")
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException as error:
        raise NotAnIdentifier("it is not a phone number") from error
    if not phonenumbers.is_possible_number(number):
        raise NotAnIdentifier("no phone number has this length in its country")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
