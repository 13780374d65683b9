"""Arrays that are written as text come to PostgreSQL as they were."""

from __future__ import annotations

from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from kapelle.kernel.bulk import array_of, bulk_cursor

_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(texts=st.lists(_TEXTS | st.sampled_from(["", "NULL", '"', "\\", "\x1f", "a\x1fb", "{}", ", ", '\\"', "\n"])))
def test_any_texts_come_back_from_an_array(database: str, texts: list[str]) -> None:
    with transaction.atomic():
        assert bulk_cursor().execute("SELECT %t::text[]", [array_of(texts)]).fetchone() == (texts,)
