"""Which rows of the inbox a projector takes next, with PostgreSQL's own ways of using space again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from kapelle.events.tasks.claims import MAX_ROWS, Claimer
from road import track

if TYPE_CHECKING:
    from uuid import UUID

    import psycopg

    from road import Road

_A_PAGE = 40  # rows of this size


def _claim(claimer: Claimer) -> list[UUID]:
    """Receipts of one claim that is committed."""
    with transaction.atomic():
        return [row.receipt_id for rows in claimer.claim().groups.values() for row in rows]


def _fill(road: Road, requests: int) -> list[UUID]:
    rows = [road.row(track(f"m{n}", user="u", properties={"text": "x" * 200})) for n in range(requests)]
    road.send_rows(rows)
    return [row.receipt_id for row in rows]


def test_under_a_backlog_new_rows_in_front_do_not_overtake_the_old_ones(
    road: Road, owner: psycopg.Connection[Any]
) -> None:
    owner.execute("VACUUM inbox")
    old = _fill(road, 3 * MAX_ROWS)
    claimer = Claimer()
    done, new = _claim(claimer), []
    for _ in range(2):
        owner.execute("VACUUM inbox")  # the space of what was taken is free again: it lies before the old rows
        new += _fill(road, MAX_ROWS)
        done += _claim(claimer)
    assert len(done) == 3 * MAX_ROWS
    assert len(set(done) & set(new)) < _A_PAGE  # those that took the space of rows before them in the same page
    rest: list[UUID] = []
    while more := _claim(claimer):
        rest += more
    assert set(done) | set(rest) == set(old) | set(new)


def test_a_row_behind_the_end_of_a_round_is_found_in_the_next(road: Road, owner: psycopg.Connection[Any]) -> None:
    claimer = Claimer()
    assert _claim(claimer) == []
    first = _fill(road, 3)
    assert _claim(claimer) == first
    owner.execute("VACUUM inbox")
    second = _fill(road, 3)
    assert _claim(claimer) == second
    assert _claim(claimer) == []
