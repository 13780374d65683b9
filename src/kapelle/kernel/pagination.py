"""Cursor pagination for every list: opaque cursors that carry the sort key of the last row seen. Pure: no Django.

A list that goes by (time, id) filters `time < T or (time = T and id < I)`, and `time <= T` beside it: that one alone
lets an index begin at the cursor, without it a page far inside reads all pages before it.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict

from kapelle.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
_MAX_CURSOR_LENGTH = 2000

RowT = TypeVar("RowT")
ItemT = TypeVar("ItemT")


class InvalidCursor(Invalid):
    """The cursor was not given by this list, or was damaged on the way."""

    code = "invalid_cursor"


class Page(BaseModel, Generic[ItemT]):
    """One page of a list. `next_cursor` is null on the last one."""

    model_config = ConfigDict(from_attributes=True)

    items: list[ItemT]
    next_cursor: str | None = None


def encode_cursor(values: Sequence[datetime | UUID | int | float | str]) -> str:
    """An opaque, URL-safe text for a sort key."""
    return base64.urlsafe_b64encode(msgspec.json.encode(list(values))).rstrip(b"=").decode()


def decode_cursor(text: str, *kinds: type[datetime | UUID | int | float | str]) -> list[Any]:
    """The sort key back, each value as the type named in `kinds` (as JSON gives it if none is named).

    Raises InvalidCursor for anything that `encode_cursor` with the same kinds would not have made.
    """
    try:
        if len(text) > _MAX_CURSOR_LENGTH:
            raise InvalidCursor("The cursor is too long to be one of ours.")
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if not kinds:
            return msgspec.json.decode(raw, type=list[str | int])
        values: tuple[Any, ...] = msgspec.json.decode(raw, type=tuple.__class_getitem__(kinds))
    except (ValueError, UnicodeEncodeError, binascii.Error, msgspec.MsgspecError) as error:
        raise InvalidCursor("The cursor cannot be read. Start again from the first page.") from error
    if any(isinstance(value, datetime) and value.tzinfo is None for value in values):
        raise InvalidCursor("The cursor cannot be read. Start again from the first page.")
    return list(values)


def clamp_limit(limit: int | None) -> int:
    """How many rows a page may have: what was asked for, within 1 to MAX_LIMIT."""
    return DEFAULT_LIMIT if limit is None else max(1, min(limit, MAX_LIMIT))


def cut_page(
    rows: Sequence[RowT], limit: int, key: Callable[[RowT], Sequence[datetime | UUID | int | float | str]]
) -> tuple[list[RowT], str | None]:
    """Of `limit` + 1 rows that were asked for: those of the page, and the cursor to the next page if there is one."""
    page = list(rows[:limit])
    return page, encode_cursor(key(page[-1])) if len(rows) > limit else None
