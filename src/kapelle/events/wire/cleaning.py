"""JSON as people send it, turned into JSON that PostgreSQL can keep: no NUL, no half surrogates, not too deep."""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 32
_MAX_DIGITS = 4000  # Python refuses to read longer integers
_BOM = "\ufeff"


class TooDeep(ValueError):
    """Objects and lists stand inside each other more than MAX_DEPTH times."""


def may_need_cleaning(raw: bytes) -> bool:
    """Whether `clean` could change or refuse this JSON text. Cheap; says yes too often, never no wrongly.

    Half surrogates are not asked for: msgspec refuses them, and `read_leniently` is used instead.
    """
    return b"\\u0000" in raw or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH


def clean(value: Any, room: int = MAX_DEPTH) -> Any:
    """The value without NUL and half surrogates; raises TooDeep."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        if not room:
            raise TooDeep
        return {clean_text(key): clean(item, room - 1) for key, item in value.items()}
    if isinstance(value, list):
        if not room:
            raise TooDeep
        return [clean(item, room - 1) for item in value]
    return value


def cut(value: Any, room: int = MAX_DEPTH + 2) -> Any:
    """The value, with null for what lies so deep that it is refused anyway and recursion might fail at it."""
    if isinstance(value, dict):
        return {key: cut(item, room - 1) for key, item in value.items()} if room else None
    if isinstance(value, list):
        return [cut(item, room - 1) for item in value] if room else None
    return value


def clean_text(text: str) -> str:
    """Without NUL; a half surrogate becomes U+FFFD."""
    if text.isascii():
        return text.replace("\0", "")
    return text.replace("\0", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def read_leniently(body: bytes) -> Any:
    """JSON that the fast decoder refuses but that is still JSON; numbers beyond double and long integers become text.

    Raises ValueError for what is not JSON, RecursionError for absurd nesting.
    """
    return json.loads(
        body.decode().removeprefix(_BOM), parse_float=_number, parse_int=_integer, parse_constant=_no_constant
    )


def _number(text: str) -> float | str:
    value = float(text)
    return text if value in {float("inf"), float("-inf")} else value


def _integer(text: str) -> int | str:
    return int(text) if len(text) < _MAX_DIGITS else text


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
