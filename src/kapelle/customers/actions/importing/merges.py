"""The importer of files of merges: each row names two customers that are one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from kapelle.customers.actions.deciding import Pair, join_by_hand
from kapelle.customers.actions.identifiers import NotAnIdentifier, normalize, normalize_kind
from kapelle.customers.actions.importing.undoing import undo_customers
from kapelle.customers.actions.links import find_identifiers
from kapelle.customers.actions.profiles import close_customers
from kapelle.events.actions import open_batch
from kapelle.imports.actions.changes import record_changes
from kapelle.imports.contracts import ChunkOutcome, Difference, FieldType, RowFailure, RowRejected, TargetField
from kapelle.kernel.bulk import bulk_cursor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kapelle.customers.contracts import IdentifierPair
    from kapelle.imports.contracts import Change, ImportContext, ParsedRow, UndoOutcome

_BY_ID = """
SELECT k.id, i.customer_id FROM unnest(%b::uuid[]) k (id)
CROSS JOIN LATERAL (SELECT customer_id FROM identifiers WHERE workspace_id = %b AND id = k.id OFFSET 0) i
"""


class Named(NamedTuple):
    """One row: whom it calls the winner and the loser, by any id or identifier."""

    winner: UUID | IdentifierPair
    loser: UUID | IdentifierPair


class MergesImporter:
    """Both columns take a customer's id, or an identifier as `kind:value`; the winner's id lives on."""

    kind = "merges"
    fields: tuple[TargetField, ...] = (
        TargetField("winner", FieldType.TEXT, "who lives on: an id or kind:value", ("keep", "master"), required=True),
        TargetField("loser", FieldType.TEXT, "who is merged in: an id or kind:value", ("merge",), required=True),
    )
    chunk_rows = 200
    brings_people = True
    undo_order: tuple[str, ...] = ("identity_links",)

    def parser(self, context: ImportContext, columns: dict[str, int]) -> Callable[[list[str]], Named]:
        winner, loser = columns["winner"], columns["loser"]
        return lambda cells: Named(_name(cells[winner]), _name(cells[loser]))

    def write(self, context: ImportContext, rows: Sequence[ParsedRow]) -> ChunkOutcome:
        outcome, pairs = _find(context, rows)
        if pairs:
            batch = open_batch(source=context.source, now=context.now)
            join_by_hand(batch, pairs, context.source)
            close_customers(batch)
            record_changes(
                workspace_id=context.workspace_id,
                job_id=context.job_id,
                table="identity_links",
                rows=((winner, None) for winner in {pair.winner for pair in pairs}),
            )
        return outcome

    def compare(self, context: ImportContext, rows: Sequence[ParsedRow]) -> ChunkOutcome:
        return _find(context, rows)[0]

    def finish(self, context: ImportContext, after: str) -> str | None:  # nothing is left to do
        return None

    def undo(self, context: ImportContext, changes: Sequence[Change]) -> UndoOutcome:
        return undo_customers(context, changes)

    def undo_events(self, context: ImportContext, limit: int) -> int:  # it makes no events
        return 0


def _find(context: ImportContext, rows: Sequence[ParsedRow]) -> tuple[ChunkOutcome, list[Pair]]:
    """What the rows come to: the pairs of customers who are still two. Who became one by a row above counts once."""
    homes = _homes(context.workspace_id, [name for row in rows for name in row.record])
    outcome, pairs = ChunkOutcome(), []
    became: dict[UUID, UUID] = {}

    def now(home: UUID) -> UUID:
        while home in became:
            home = became[home]
        return home

    for row in rows:
        missing = [name for name in row.record if name not in homes]
        if missing:
            shown = missing[0] if isinstance(missing[0], UUID) else ":".join(missing[0])
            outcome.failures.append(RowFailure(row.number, "customer_not_found", f"nobody is known as {shown}"))
            continue
        winner, loser = (now(homes[name]) for name in row.record)
        if winner == loser:
            outcome.unchanged += 1
            continue
        became[loser] = winner
        pairs.append(Pair(winner, loser))
        outcome.updated += 1
        outcome.differences.append(Difference(row.number, f"customer {winner}", "merged", None, str(loser)))
    outcome.entities = {"customers_merged": len(pairs)}
    return outcome, pairs


def _homes(workspace_id: UUID, names: Sequence[UUID | IdentifierPair]) -> dict[UUID | IdentifierPair, UUID]:
    ids = [name for name in names if isinstance(name, UUID)]
    rows = bulk_cursor().execute(_BY_ID, [ids, workspace_id], binary=True)
    found: dict[UUID | IdentifierPair, UUID] = {row_id: home for row_id, home in rows if home}
    known = find_identifiers(workspace_id, (name for name in names if not isinstance(name, UUID)))
    return found | {pair: item.customer for pair, item in known.items() if item.customer}


def _name(cell: str) -> UUID | IdentifierPair:
    text = cell.strip()
    kind, separator, value = text.partition(":")
    try:
        if not separator or kind == "id":
            return UUID(value or text)
        known_kind = normalize_kind(kind)
        return known_kind, normalize(known_kind, value)
    except NotAnIdentifier as error:
        raise RowRejected("invalid_identifier", f"{text[:100]!r}: {error}") from error
    except ValueError as error:
        raise RowRejected("invalid_identifier", f"{text[:100]!r} is neither an id nor kind:value") from error
