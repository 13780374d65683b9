"""Reading the times that SDKs send: ISO 8601 in its usual variants, or a number of seconds or milliseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

# What strict ISO refuses but real clients send: "2015-2-02T00:30:08.276Z", "2026-11-22 10:00:00 UTC", "... +0300".
_LOOSE = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})"
    r"(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?\s*(Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?)?)?",
    re.IGNORECASE | re.ASCII,
)
_EPOCH = re.compile(r"-?\d{1,16}(?:\.\d+)?", re.ASCII)
_FIRST_MILLISECOND_COUNT = 100_000_000_000  # as seconds this is the year 5138
_FIRST_MICROSECOND_COUNT = 100_000_000_000_000


def parse_timestamp(value: Any) -> datetime | None:
    """The moment in UTC, or None when it cannot be read. A time without a zone is taken as UTC."""
    try:
        if isinstance(value, str):
            return _from_text(value.strip())
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _from_epoch(value)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _from_text(text: str) -> datetime | None:
    if _EPOCH.fullmatch(text) and len(text) > len("20261122"):  # eight digits are a date
        return _from_epoch(float(text))
    try:
        return _in_utc(datetime.fromisoformat(text))
    except ValueError:
        pass
    if match := _LOOSE.fullmatch(text):
        return _from_loose(match)
    try:
        return _in_utc(parsedate_to_datetime(text))  # RFC 2822: "Sun, 22 Nov 2026 00:34:54 +0000"
    except (TypeError, IndexError):
        return None


def _from_loose(match: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    moment = (
        f"{year}-{month:0>2}-{day:0>2}T{hour or 0:0>2}:{minute or '00'}:{second or '00'}.{(fraction or '0')[:6]:0<6}"
    )
    offset = "+00:00" if zone is None or zone.upper() in {"Z", "UTC", "GMT"} else f"{zone.replace(':', ''):0<5}"
    return _in_utc(datetime.fromisoformat(moment + offset))


def _from_epoch(number: float) -> datetime:
    size = abs(number)
    if size >= _FIRST_MICROSECOND_COUNT:
        number /= 1_000_000
    elif size >= _FIRST_MILLISECOND_COUNT:
        number /= 1_000
    return datetime.fromtimestamp(number, UTC)


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is UTC:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
