"""Reads Segment's traits and context into the fields of a profile. Pure: decides what a value means, writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kapelle.customers.actions.identifiers import NotAnIdentifier, normalize
from kapelle.customers.contracts import EMAIL, PHONE, PLACES
from kapelle.events.contracts import DERIVED
from kapelle.kernel.timestamps import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from kapelle.events.contracts import Event

MAX_TEXT = 1_000
MAX_ATTRIBUTE_NAME = 100

# Standard fields by the names that SDKs use, compared without case, "_", "-" and spaces.
_TEXT_TRAITS = {
    "firstname": "first_name",
    "middlename": "middle_name",
    "lastname": "last_name",
    "city": "city",
    "country": "country",
    "state": "region",
    "region": "region",
    "language": "language",
    "locale": "language",
    "timezone": "time_zone",
    "comment": "comment",
}
_DERIVED_FIELDS = ("time_zone", *PLACES, "device_type", "os", "browser", "browser_version", "login_state")
_IGNORED = frozenset({"id", "userid", "anonymousid"})  # identifiers, read elsewhere
_GENDERS = {
    **dict.fromkeys(("f", "female", "w", "woman", "ж", "жен", "женский"), "female"),
    **dict.fromkeys(("m", "male", "man", "м", "муж", "мужской"), "male"),
    **dict.fromkeys(("other", "nonbinary", "non-binary", "diverse", "x"), "other"),
}


class NotThisType(ValueError):
    """The value is of another type than the field takes; the message says which."""


@dataclass(slots=True)
class Traits:
    """What one identify call says. None clears a field."""

    fields: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)  # {trait: why it was left out}


def read_traits(traits: Mapping[str, Any]) -> Traits:
    """Standard fields, custom attributes, and what could not be used."""
    found = Traits()
    for name, value in traits.items():
        key = name.lower().replace("_", "").replace("-", "").replace(" ", "")
        if key in _IGNORED:
            continue
        try:
            if key == "address" and isinstance(value, dict):
                _read_address(value, found)
            elif key in _TEXT_TRAITS:
                found.fields[_TEXT_TRAITS[key]] = _text(value)
            elif key in _READERS:
                column, read = _READERS[key]
                found.fields[column] = read(value)
            else:
                _read_attribute(name, value, found)
        except NotThisType as error:
            found.problems[name] = str(error)
    return found


def read_context(context: Mapping[str, Any]) -> dict[str, str]:
    """Fields that an event's context shows: language, time zone, address, and what was derived from it: place, device,
    programs. Only what is there and usable."""
    derived = context.get(DERIVED) or {}
    found: dict[str, str] = {name: derived[name] for name in _DERIVED_FIELDS if name in derived}
    for key, column in (("locale", "language"), ("timezone", "time_zone"), ("ip", "ip")):
        value = context.get(key)
        if value and isinstance(value, str):
            found[column] = value[:MAX_TEXT]
    screen = context.get("screen")
    if isinstance(screen, dict):
        width, height = screen.get("width"), screen.get("height")
        if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
            found["screen"] = f"{width}x{height}"
    return found


def shows_first(event: Event) -> bool:
    """Whether the event could tell how a customer came first: somebody opened a page."""
    return "channel" in event.context.get(DERIVED, ()) and not event.is_bot


def read_first(event: Event) -> dict[str, str]:
    """The fields of FIRSTS, as this event tells them; "" where it knows nothing."""
    derived, page = event.context[DERIVED], event.context.get("page")
    url = (page if isinstance(page, dict) else event.properties).get("url")
    return {
        "first_url": url[:MAX_TEXT] if isinstance(url, str) else "",
        "first_source": derived.get("source", ""),
        "first_channel": derived.get("channel", ""),
        "first_campaign": derived.get("utm_campaign", ""),
    }


def _read_address(address: Mapping[str, Any], found: Traits) -> None:
    for key, value in address.items():
        column = _TEXT_TRAITS.get(key.lower())
        if column in {"city", "country", "region"}:
            found.fields[column] = _text(value)
        else:
            _read_attribute(f"address_{key}", value, found)


def _read_attribute(name: str, value: Any, found: Traits) -> None:
    if not name or len(name) > MAX_ATTRIBUTE_NAME:
        raise NotThisType(f"a custom field's name has 1 to {MAX_ATTRIBUTE_NAME} characters")
    if isinstance(value, dict):
        raise NotThisType("a custom field cannot hold an object")
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        raise NotThisType("a list may hold texts, numbers and booleans only")
    found.attributes[name] = value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise NotThisType("it must be a text")
    return str(value).strip()[:MAX_TEXT]


def _gender(value: Any) -> str:
    text = _text(value).lower()
    if text and text not in _GENDERS:
        raise NotThisType("gender is female, male or other")
    return _GENDERS[text] if text else ""


def _email(value: Any) -> str:
    return _identifier(EMAIL, value)


def _phone(value: Any) -> str:
    return _identifier(PHONE, value)


def _identifier(kind: str, value: Any) -> str:
    text = _text(value)
    try:
        return normalize(kind, text) if text else ""
    except NotAnIdentifier as error:
        raise NotThisType(str(error)) from error


def _date(value: Any) -> date | None:
    moment = _moment(value)
    return moment.date() if moment else None


def _moment(value: Any) -> datetime | None:
    if value is None or value == "":
        return None
    moment = parse_timestamp(value)
    if moment is None:
        raise NotThisType("it must be a date as ISO 8601 writes it")
    return moment


_READERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "email": ("email", _email),
    "phone": ("phone", _phone),
    "gender": ("gender", _gender),
    "birthday": ("birth_date", _date),
    "birthdate": ("birth_date", _date),
    "dateofbirth": ("birth_date", _date),
    "createdat": ("registered_at", _moment),
    "registeredat": ("registered_at", _moment),
}
