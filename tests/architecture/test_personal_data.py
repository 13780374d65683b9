"""Every table that holds something about a person is named by who hands it out and erases it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.web.subscriptions import PERSONAL_DATA

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

# Columns that point at a person or hold what a person or a stranger wrote.
_PERSONS = "customer_id other_customer_id origin_id owner_id winner_id loser_id member_id person_id subject_id"
_WORDS = "address email phone first_name last_name ip user_agent value identifiers"
_TEXTS = "body raw before properties traits context payload arguments args"
TELLING = frozenset(f"{_PERSONS} {_WORDS} {_TEXTS}".split(" "))
# Tables with such a column that are nobody's personal data, each with the reason.
NOT_PERSONAL = {
    "event_types": "names and JSON types of properties, no values",
    "identity_changes": "ids of customers whose identifiers were moved, for a day",
    "inbox": "waits for the projector for moments; what is of an erased person stops at the gate (ErasedGate)",
    "procrastinate_jobs": "arguments are ids of workspaces and of things, never of people",
}

_COLUMNS = """
    SELECT c.relname, array_agg(a.attname::text)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    GROUP BY c.relname
"""


def _telling_tables(owner: Any) -> set[str]:
    return {table for table, columns in owner.execute(_COLUMNS).fetchall() if TELLING.intersection(columns)}


def _forgotten(tables: AbstractSet[str], holders: Any) -> set[str]:
    return set(tables) - {table for holder in holders for table in holder.tables} - NOT_PERSONAL.keys()


def test_every_table_about_people_is_handed_out_and_erased_by_somebody(owner: Any) -> None:
    forgotten = _forgotten(_telling_tables(owner), PERSONAL_DATA)
    assert forgotten == set(), "name them in a PersonalData of their module (privacy/contracts.py)"


def test_a_new_table_with_a_customers_id_is_noticed(owner: Any) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("CREATE TABLE love_letters (id uuid, origin_id uuid)")
        assert _forgotten(_telling_tables(owner), PERSONAL_DATA) == {"love_letters"}


def test_no_list_names_a_table_that_does_not_exist(owner: Any) -> None:
    tables = {table for table, _ in owner.execute(_COLUMNS).fetchall()}
    named = {table for holder in PERSONAL_DATA for table in holder.tables} | NOT_PERSONAL.keys()
    assert named - tables == set()


def test_nobody_is_excused_and_asked_at_once() -> None:
    assert [holder.name for holder in PERSONAL_DATA if not holder.tables.isdisjoint(NOT_PERSONAL)] == []
