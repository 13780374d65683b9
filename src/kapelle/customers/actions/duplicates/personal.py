"""Proposals as personal data: handed out without the other person, erased whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.privacy.actions.personal_rows import CHUNK, change_rows, stream_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from kapelle.privacy.contracts import Subject

_TABLE = "duplicate_proposals"
_EITHER = "workspace_id = %s AND (customer_id = ANY(%s) OR other_customer_id = ANY(%s))"


class DuplicatesData:
    """A proposal is about two people; who the other one is, is not this one's to know."""

    name = _TABLE
    tables = frozenset({_TABLE})

    def export(self, subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
        columns = "id, score, reasons, model, status, found_at, decided_at"
        for row in stream_rows(_TABLE, _EITHER, _parameters(subject), columns):
            yield _TABLE, row

    def erase(self, subject: Subject, now: datetime) -> dict[str, int]:
        sql = f"DELETE FROM {_TABLE} WHERE id IN (SELECT id FROM {_TABLE} WHERE {_EITHER} LIMIT {CHUNK})"
        return change_rows(_TABLE, sql, _parameters(subject))


def _parameters(subject: Subject) -> list[Any]:
    ids = list({subject.customer_id, *subject.origin_ids})
    return [subject.workspace_id, ids, ids]
