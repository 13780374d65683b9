"""The importer of files of customers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kapelle.customers.actions.importing.drafts import (
    ATTRIBUTES,
    CONSENTED_AT,
    CONSENTS,
    IDENTIFIER_FIELDS,
    OTHER_IDENTIFIERS,
    PROFILE_FIELDS,
    CustomerDraft,
)
from kapelle.customers.actions.importing.parsing import customer_parser
from kapelle.customers.actions.importing.planning import (
    FieldChange,
    lay_over,
    load_layers,
    plan_customers,
    profile_of,
)
from kapelle.customers.actions.importing.subscriptions import News, Outlook, consent_reader, weigh_consents
from kapelle.customers.actions.importing.undoing import CONSENT_LINES, UNDO_TABLES, undo_consents, undo_customers
from kapelle.customers.actions.importing.writing import ensure_attributes, write_customers
from kapelle.customers.actions.profiles import close_customers
from kapelle.events.actions import open_batch
from kapelle.imports.actions.changes import record_changes
from kapelle.imports.contracts import ChunkOutcome, Difference, MappingInvalid, RowRejected
from kapelle.privacy.actions import record_consents

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kapelle.imports.contracts import Change, ImportContext, ParsedRow, UndoOutcome


class CustomersImporter:
    """One row is one customer; any identifier finds them."""

    kind = "customers"
    fields = (*IDENTIFIER_FIELDS.values(), *PROFILE_FIELDS, OTHER_IDENTIFIERS, ATTRIBUTES, CONSENTED_AT, CONSENTS)
    chunk_rows = 1500
    brings_people = True
    undo_order: tuple[str, ...] = (CONSENT_LINES, *UNDO_TABLES)

    def parser(self, context: ImportContext, columns: dict[str, int]) -> Callable[[list[str]], CustomerDraft]:
        if not any(name in IDENTIFIER_FIELDS or name.startswith("identifier.") for name in columns):
            raise MappingInvalid("No column is mapped to an identifier: user_id, email, phone or identifier.KIND.")
        parse = customer_parser(context, columns, PROFILE_FIELDS)
        read_consents = consent_reader(context, columns)

        def parse_row(cells: list[str]) -> CustomerDraft:
            draft = parse(cells, context.started_at)
            if draft is None:
                raise RowRejected("no_identifier", "the row has no identifier, so nobody can be found or made")
            read_consents(cells, draft)
            return draft

        return parse_row

    def write(self, context: ImportContext, rows: Sequence[ParsedRow]) -> ChunkOutcome:
        drafts = _drafts(rows)
        batch = open_batch(source=context.source, now=context.now)
        names = {name for draft in drafts for name in draft.attributes}
        ensure_attributes(batch, {name: context.mapping.attribute_types.get(name, "string") for name in names})
        written = write_customers(batch, drafts, job_id=context.job_id)
        close_customers(batch)
        whose = list(zip(written.origins, written.customers, strict=True))
        outlook = weigh_consents(context, drafts, whose)
        _record(context, outlook)
        touched = written.linked | {one.place for one in outlook.news}
        outcome = _count(rows, written.created, touched, written.changes)
        outcome.entities = {"customers_created": written.count_created, "customers_updated": written.count_updated}
        outcome.entities |= _count_consents(outlook)
        return outcome

    def compare(self, context: ImportContext, rows: Sequence[ParsedRow]) -> ChunkOutcome:
        drafts = _drafts(rows)
        plan = plan_customers(drafts, context.source)
        created = set(plan.created)
        layers = load_layers(plan, [at for at in range(len(drafts)) if at not in created])
        layers.profiles |= {
            target.customer: profile_of(drafts[at], target.customer, context.source)
            for at in plan.created
            if (target := plan.targets[at])
        }
        lay_over(plan, drafts, layers, context.source)
        whose = [
            (target.origin, target.customer) if (target := plan.targets[at]) else None for at in range(len(drafts))
        ]
        outlook = weigh_consents(context, drafts, whose)
        touched = (plan.joining - created) | {one.place for one in outlook.news}
        outcome = _count(rows, created, touched, plan.changes)
        outcome.entities = _count_consents(outlook)
        said: dict[int, list[News]] = defaultdict(list)
        for one in outlook.news:
            said[one.place].append(one)
        for at, row in enumerate(rows):
            kind, value = drafts[at].identifiers[0]
            what = f"customer {kind}:{value}"
            if at in plan.joining - created:
                names = ", ".join(f"{kind}:{value}" for kind, value in drafts[at].identifiers)
                outcome.differences.append(Difference(row.number, what, "identifiers", None, names))
            elif at not in created:
                outcome.differences += _differences(row.number, what, plan.changes.get(at, []))
            outcome.differences += [
                Difference(row.number, what, one.field, one.before, one.statement.status) for one in said[at]
            ]
        return outcome

    def finish(self, context: ImportContext, after: str) -> str | None:  # nothing is left to do
        return None

    def undo(self, context: ImportContext, changes: Sequence[Change]) -> UndoOutcome:
        if changes[0].table == CONSENT_LINES:
            return undo_consents(context, changes)
        return undo_customers(context, changes)

    def undo_events(self, context: ImportContext, limit: int) -> int:  # it makes no events
        return 0


def _record(context: ImportContext, outlook: Outlook) -> None:
    """Write what is news, and keep the ledger's lines for the undo."""
    statements = [*(one.statement for one in outlook.news), *outlook.late]
    changed = record_consents(workspace_id=context.workspace_id, statements=statements, now=context.now)
    record_changes(
        workspace_id=context.workspace_id,
        job_id=context.job_id,
        table=CONSENT_LINES,
        rows=((change.entry_id, None) for change in changed),
    )


def _count_consents(outlook: Outlook) -> dict[str, int]:
    counts = {"consents_changed": len(outlook.news), "refusals_kept": outlook.refusals_kept}
    return {name: count for name, count in counts.items() if count}


def _drafts(rows: Sequence[ParsedRow]) -> list[CustomerDraft]:
    """What the rows say. Of two rows about one customer the later one counts: a microsecond each keeps their order."""
    return [replace(row.record, as_of=row.record.as_of + timedelta(microseconds=row.number)) for row in rows]


def _count(
    rows: Sequence[ParsedRow], created: set[int], linked: set[int], changes: dict[int, list[FieldChange]]
) -> ChunkOutcome:
    outcome = ChunkOutcome()
    for at in range(len(rows)):
        if at in created:
            outcome.created += 1
        elif at in linked or changes.get(at):
            outcome.updated += 1
        else:
            outcome.unchanged += 1
    return outcome


def _differences(number: int, what: str, changes: list[FieldChange]) -> list[Difference]:
    return [Difference(number, what, change.field, _shown(change.before), _shown(change.after)) for change in changes]


def _shown(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
