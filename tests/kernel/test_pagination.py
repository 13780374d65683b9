"""Cursors carry the sort key of the last row, and nothing that was not made by us is taken for one."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapelle.kernel.ids import uuid7
from kapelle.kernel.pagination import InvalidCursor, clamp_limit, cut_page, decode_cursor, encode_cursor

_KEYS = st.tuples(st.datetimes(timezones=st.just(UTC)), st.uuids(), st.integers(-(2**62), 2**62), st.text(max_size=50))


@given(key=_KEYS)
def test_a_cursor_gives_its_sort_key_back(key: tuple[datetime, UUID, int, str]) -> None:
    assert decode_cursor(encode_cursor(key), datetime, UUID, int, str) == list(key)


@pytest.mark.parametrize(
    "text", ["", "x", "%%%", "é", "eyJ9", encode_cursor([1]), encode_cursor(["now", "then"]), "A" * 3000]
)
def test_a_foreign_or_damaged_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(text, datetime, UUID)


@given(text=st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(InvalidCursor):
        decode_cursor(text, datetime, UUID)


def test_the_last_page_has_no_cursor() -> None:
    rows = [(uuid7(),) for _ in range(3)]
    assert cut_page(rows, 3, lambda row: row) == (rows, None)
    page, following = cut_page(rows, 2, lambda row: row)
    assert page == rows[:2]
    assert following is not None
    assert decode_cursor(following, UUID) == list(rows[1])


def test_limits_stay_within_bounds() -> None:
    assert [clamp_limit(limit) for limit in (None, 0, -5, 7, 10**9)] == [50, 1, 1, 7, 500]
