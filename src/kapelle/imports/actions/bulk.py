"""Loads the records of one call with an importer, set-wise: good ones are kept, bad ones come back with the reason.

Unlike a file, a call guesses nothing from its content: what a name or a value means never depends on its neighbors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from django.db import DataError, IntegrityError, transaction

from kapelle.accounts.actions import record_audit
from kapelle.accounts.queries import get_workspace_by_id
from kapelle.imports.actions.mapping import decode_mapping, find_field, name_finder
from kapelle.imports.actions.records import as_record, cell, decode_line, decode_list, flatten, type_of
from kapelle.imports.actions.values import ISO
from kapelle.imports.contracts import (
    ChunkOutcome,
    ImportContext,
    LoadOutcome,
    Mapping,
    MappingInvalid,
    ParsedRow,
    RowFailure,
    RowRejected,
    get_importer,
)
from kapelle.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from kapelle.accounts.contracts import KeyInfo
    from kapelle.imports.contracts import Importer

MAX_RECORDS = 5_000
MAX_NAMES = 1_000
_LONGEST_NAME = 200
_ATTRIBUTES = "attributes."


class TooManyRecords(Invalid):
    """More than one call takes."""

    code = "too_many_records"


class MalformedRecords(Invalid):
    """The body is no JSON array."""

    code = "malformed_json"
    status = 400


def read_array(body: bytes) -> list[Any]:
    """The records of a JSON array; raises MalformedRecords, TooManyRecords."""
    try:
        return _bounded(decode_list(body))
    except ValueError as error:
        raise MalformedRecords(f"The body is not a JSON array: {error}. Nothing was changed.") from error


def read_lines(body: bytes) -> list[Any]:
    """The records of a body with one JSON object a line, a bad line as what is wrong with it. Raises TooManyRecords."""
    lines = _bounded([line for line in body.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()])
    return [_try(decode_line, line) for line in lines]


def load_records(
    *,
    kind: str,
    records: Sequence[Any],
    key: KeyInfo,
    mapping: dict[str, Any] | None = None,
    is_dry_run: bool = False,
    now: datetime,
) -> LoadOutcome:
    """Load records as rows of a file of this kind are loaded, in the name of the key.

    Raises MappingInvalid, Invalid. A record is an object, or what was wrong with it (RowRejected).
    """
    page = _Page(get_importer(kind), _given(mapping))
    for number, record in enumerate(records, start=1):
        page.add(number, record)
    context = _context(key, page, now)
    rows = page.parse(context)
    outcome = _write(page.importer, context, rows, is_dry_run=is_dry_run) if rows else ChunkOutcome()
    errors = sorted([*page.failures, *outcome.failures], key=lambda failure: failure.number)
    if rows and not is_dry_run:
        record_audit(
            actor=f"key:{key.prefix}",
            action=f"{kind}.loaded",
            target=str(key.workspace_id),
            now=now,
            records=len(records),
            refused=len(errors),
        )
    return LoadOutcome(
        rows_read=len(records),
        rows_created=outcome.created,
        rows_updated=outcome.updated,
        rows_unchanged=outcome.unchanged,
        rows_failed=len(errors),
        entities={name: count for name, count in outcome.entities.items() if count},
        errors=errors,
    )


def _bounded(records: list[Any]) -> list[Any]:
    if len(records) > MAX_RECORDS:
        raise TooManyRecords(
            f"One call takes {MAX_RECORDS:,} records at most, these are {len(records):,}. Nothing was changed."
            " Send them in several calls, or as a file of an import.",
            limit=MAX_RECORDS,
        )
    return records


def _try(read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except RowRejected as error:
        return error


def _given(mapping: dict[str, Any] | None) -> Mapping:
    given = decode_mapping({"columns": {}} | (mapping or {}))
    if given.feed is not None or given.decimal == ",":
        raise MappingInvalid('The records of a call are no "feed", and numbers in JSON are written with a point.')
    return given


@dataclass(slots=True)
class _Page:
    """The records of a call as rows: cells by the field that they are of."""

    importer: Importer
    mapping: Mapping
    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    failures: list[RowFailure] = field(default_factory=list)
    targets: dict[str, str] = field(default_factory=dict)  # a record's name -> field, of all names so far
    types: dict[str, str] = field(default_factory=dict)  # of custom fields, as the first value shows it

    find: Callable[[str], str | None] = field(init=False)

    def __post_init__(self) -> None:
        self.find = name_finder(self.importer)
        for target in self.mapping.columns.values():
            find_field(self.importer, target)

    def add(self, number: int, record: Any) -> None:
        """Read one record; what cannot be read is noted as a failure."""
        try:
            if isinstance(record, RowRejected):
                raise record
            self.rows.append((number, self._cells(as_record(record))))
        except RowRejected as error:
            self.failures.append(RowFailure(number, error.code, error.reason))

    def parse(self, context: ImportContext) -> list[ParsedRow]:
        """The rows that the importer understands; the others become failures."""
        names = list(dict.fromkeys([*_first(self.importer), *context.mapping.columns]))
        parse, unusable = _parser(self.importer, context, names)
        parsed = []
        for number, cells in self.rows:
            try:
                for name in unusable.keys() & cells.keys():
                    raise RowRejected("mapping_invalid", unusable[name])
                parsed.append(ParsedRow(number, parse([cells.get(name, "") for name in names])))
            except RowRejected as error:
                self.failures.append(RowFailure(number, error.code, error.reason))
        return parsed

    def _cells(self, record: dict[str, Any]) -> dict[str, str]:
        cells: dict[str, str] = {}
        for name, value in flatten(record):
            target = self.targets.get(name) or self._target(name)
            if not target:
                continue
            if target in cells:
                raise RowRejected("named_twice", f"{name!r} is a second name of {target!r}")
            cells[target] = cell(value)
            if target.startswith(_ATTRIBUTES) and (shown := type_of(value)):
                self.types.setdefault(target.removeprefix(_ATTRIBUTES), shown)
        return cells

    def _target(self, name: str) -> str:
        """The field of a name; "" if a mapping leaves it out. Raises RowRejected for one that means nothing."""
        if self.mapping.columns:
            return self.mapping.columns.get(name, "")
        target = self.find(name)
        if not target or len(target) > _LONGEST_NAME:
            own = ' Fields of your own stand under "attributes".' if f"{_ATTRIBUTES}*" in _names(self.importer) else ""
            raise RowRejected("unknown_field", f"{name[:_LONGEST_NAME]!r} is no field of {self.importer.kind}.{own}")
        if len(self.targets) >= MAX_NAMES:
            raise RowRejected("too_many_fields", f"the records of one call have more than {MAX_NAMES} names")
        self.targets[name] = target
        return target


def _names(importer: Importer) -> set[str]:
    return {item.name for item in importer.fields}


def _first(importer: Importer) -> list[str]:
    """Fields that every row has, if only empty: the one that tells whom or what it is about, and required ones."""
    return [item.name for at, item in enumerate(importer.fields) if at == 0 or item.required]


def _context(key: KeyInfo, page: _Page, now: datetime) -> ImportContext:
    """The call as the importer sees it: fields are their own columns, dates are ISO, numbers have a point."""
    workspace = get_workspace_by_id(key.workspace_id)
    given, named = page.mapping, {*_first(page.importer)}
    for _, cells in page.rows:
        named.update(cells)
    mapping = msgspec.structs.replace(
        given,
        columns={name: name for name in sorted(named)},
        date_format=given.date_format or ISO,
        date_formats={given.columns.get(name, name): form for name, form in given.date_formats.items()},
        decimal=".",
        attribute_types=page.types | given.attribute_types,
    )
    return ImportContext(
        workspace_id=key.workspace_id,
        job_id=None,
        source=f"api:{key.prefix}",
        started_at=now,
        now=now,
        mapping=mapping,
        currency=given.currency or workspace.currency,
        timezone=given.timezone or workspace.timezone,
        lawful_basis=key.lawful_basis,
        origin=key.origin,
    )


def _parser(
    importer: Importer, context: ImportContext, names: list[str]
) -> tuple[Callable[[list[str]], Any], dict[str, str]]:
    """The importer's parser, and the fields that it does not take with the reason (such as consent.pigeon)."""
    columns = {name: at for at, name in enumerate(names)}
    try:
        return importer.parser(context, columns), {}
    except MappingInvalid:
        first = {name: columns[name] for name in _first(importer)}
        unusable = {}
        for name in columns.keys() - first.keys():
            try:
                importer.parser(context, first | {name: columns[name]})
            except MappingInvalid as error:
                unusable[name] = error.message
        if not unusable:
            raise
        return importer.parser(context, {name: columns[name] for name in columns.keys() - unusable.keys()}), unusable


def _write(importer: Importer, context: ImportContext, rows: Sequence[ParsedRow], *, is_dry_run: bool) -> ChunkOutcome:
    """In the open transaction; what the database refuses is halved until the bad record stands alone."""
    try:
        with transaction.atomic():
            return (importer.compare if is_dry_run else importer.write)(context, rows)
    except (DataError, IntegrityError, psycopg.DataError, psycopg.IntegrityError) as error:
        if len(rows) == 1:
            reason = str(error).splitlines()[0]
            return ChunkOutcome(failures=[RowFailure(rows[0].number, "refused_by_database", reason)])
    middle = len(rows) // 2
    halves = [_write(importer, context, part, is_dry_run=is_dry_run) for part in (rows[:middle], rows[middle:])]
    total = ChunkOutcome()
    for half in halves:
        total.created += half.created
        total.updated += half.updated
        total.unchanged += half.unchanged
        total.failures += half.failures
        for name, count in half.entities.items():
            total.entities[name] = total.entities.get(name, 0) + count
    return total
