"""Guesses which column is which field, from header words and a sample; checks a mapping that a person gave."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.imports.actions.values import guess_date_format, guess_decimal, is_nothing, parse_boolean, parse_decimal
from kapelle.imports.contracts import FieldType, Importer, Mapping, MappingInvalid, RowRejected, TargetField

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

SAMPLE_ROWS = 1000
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_MOSTLY = 0.8
_LONGEST_DAY = 12  # characters of a date without a time
_ATTRIBUTES = "attributes.*"
_OURS = "kapelle_"  # columns of an export that only Kapelle writes
_GROUPS = {"identifiers": ("{}", "identifier.{}"), "consents": ("consent.{}",)}  # of a record
_DATES = (FieldType.DATE, FieldType.DATETIME)


def guess_mapping(
    importer: Importer, header: Sequence[str], sample: Sequence[Sequence[str]]
) -> tuple[Mapping, list[str]]:
    """A mapping to confirm, and notes in plain words on what might be wrong in it."""
    find = name_finder(importer)
    columns: dict[str, str] = {}
    for name in header:
        target = find(name)
        if target and "*" not in target and target not in columns.values():
            columns[name] = target
    targets = {field.name for field in importer.fields}
    _guess_email(header, sample, columns, targets)
    notes = [f"Column {name!r} is not imported." for name in header if name not in columns]
    if _ATTRIBUTES in targets:
        notes = [f"Column {name!r} is not imported." for name in header if name.startswith(_OURS)]
        for name in header:
            if name not in columns and not name.startswith(_OURS):
                columns[name] = _free_attribute(f"attributes.{attribute_name(name)}", columns.values())
    mapping = Mapping(columns=columns, attribute_types=_guess_types(importer, columns, header, sample))
    return mapping, notes


def name_finder(importer: Importer) -> Callable[[str], str | None]:
    """A function from a column's name, or a record's, to the field that it means: by the field's name or a synonym."""
    words = {
        word: field.name for field in reversed(importer.fields) for word in (_squeeze(field.name), *field.synonyms)
    }

    def find(name: str) -> str | None:
        if _is_field(importer, name):
            return name
        group, dot, rest = name.partition(".")
        if dot and group in _GROUPS:  # {"identifiers": {"email": ...}}
            meant = (form.format(rest) for form in _GROUPS[group])
            return next((one for one in meant if rest and _is_field(importer, one)), None)
        return words.get(_squeeze(name))

    return find


def complete_mapping(
    importer: Importer, mapping: Mapping, header: Sequence[str], sample: Sequence[Sequence[str]]
) -> tuple[Mapping, list[str]]:
    """The mapping with its open questions (dates, decimal sign) answered from the sample; raises MappingInvalid."""
    check_mapping(importer, mapping, header)
    notes: list[str] = []
    kinds = {name: find_field(importer, target).type for name, target in mapping.columns.items()}
    cells = {name: _column(header.index(name), sample) for name in mapping.columns}
    formats = dict(mapping.date_formats)
    for name in mapping.columns:
        is_date = kinds[name] in _DATES or mapping.attribute_types.get(_attribute(mapping.columns[name])) in _DATES
        if is_date and name not in formats:
            found, ambiguous = (mapping.date_format, False) if mapping.date_format else guess_date_format(cells[name])
            formats[name] = found or "iso"
            if ambiguous:
                notes.append(f"Column {name!r}: day and month cannot be told apart; it is read as {found}.")
    decimal = mapping.decimal
    if decimal is None:
        numbers = [
            text
            for name, target in mapping.columns.items()
            if kinds[name] is FieldType.NUMBER or mapping.attribute_types.get(_attribute(target)) == FieldType.NUMBER
            for text in cells[name]
        ]
        decimal = guess_decimal(numbers) or "."
    return msgspec.structs.replace(mapping, date_formats=formats, decimal=decimal), notes


def check_mapping(importer: Importer, mapping: Mapping, header: Sequence[str]) -> None:
    """Raises MappingInvalid that names the column or field, and what would be right."""
    unknown = [name for name in mapping.columns if name not in header]
    if unknown:
        raise MappingInvalid(
            f"The file has no column {', '.join(map(repr, unknown))}. Its columns: {', '.join(header)}.",
            columns=unknown,
        )
    targets = list(mapping.columns.values())
    for target in targets:
        find_field(importer, target)
    twice = sorted({target for target in targets if targets.count(target) > 1})
    if twice:
        raise MappingInvalid(f"More than one column is mapped to {', '.join(twice)}.", fields=twice)
    missing = [field.name for field in importer.fields if field.required and field.name not in targets]
    if missing:
        raise MappingInvalid(
            f"No column is mapped to {', '.join(missing)}, which every row needs. Columns: {', '.join(header)}.",
            fields=missing,
        )
    if mapping.decimal not in (None, ".", ","):
        raise MappingInvalid('"decimal" is "." or ",".')


def decode_mapping(data: Any) -> Mapping:
    """A mapping from JSON; raises MappingInvalid that names the place."""
    try:
        return msgspec.convert(data, Mapping)
    except msgspec.ValidationError as error:
        raise MappingInvalid(f"The mapping cannot be used: {error}.") from error


def find_field(importer: Importer, target: str) -> TargetField:
    """The field that a target names; raises MappingInvalid."""
    for field in importer.fields:
        open_end = field.name.endswith(".*") and target.startswith(field.name[:-1]) and len(target) >= len(field.name)
        if field.name == target or open_end:
            return field
    names = ", ".join(field.name for field in importer.fields)
    raise MappingInvalid(f"{target!r} is not a field of {importer.kind}. Fields: {names}.", fields=[target])


def _is_field(importer: Importer, name: str) -> bool:
    """Whether a column bears a field's very name, as those of our exports do."""
    try:
        find_field(importer, name)
    except MappingInvalid:
        return False
    return True


def attribute_name(header: str) -> str:
    """A header as the name of a custom field: "Любимый цвет" becomes "любимый_цвет"."""
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", header).strip().lower()).strip("_")
    return name[:100] or "column"


def _free_attribute(target: str, taken: Collection[str]) -> str:
    """The field, or with a number if another column is mapped to it: nothing of either is lost."""
    number = 1
    while (name := target if number == 1 else f"{target}_{number}") in taken:
        number += 1
    return name


def _attribute(target: str) -> str:
    return target.removeprefix("attributes.")


def _squeeze(text: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).lower())


def _column(index: int, sample: Sequence[Sequence[str]]) -> list[str]:
    cells = (row[index].strip() for row in sample if index < len(row))
    return [cell for cell in cells if not is_nothing(cell)]


def _guess_email(
    header: Sequence[str], sample: Sequence[Sequence[str]], columns: dict[str, str], targets: set[str]
) -> None:
    """A column full of addresses is the e-mail, whatever its name."""
    if "email" not in targets or "email" in columns.values():
        return
    for index, name in enumerate(header):
        cells = _column(index, sample)
        if name not in columns and cells and sum(map(bool, map(_EMAIL.fullmatch, cells))) >= len(cells) * _MOSTLY:
            columns[name] = "email"
            return


def _guess_types(
    importer: Importer, columns: dict[str, str], header: Sequence[str], sample: Sequence[Sequence[str]]
) -> dict[str, str]:
    """Types of custom fields whose sample is numbers, yes/no or dates without exception."""
    types: dict[str, str] = {}
    filled = {name: cells for index, name in enumerate(header) if (cells := _column(index, sample))}
    custom = {name: filled[name] for name in filled if columns.get(name, "").startswith("attributes.")}
    numeric = [
        cells
        for name, cells in filled.items()
        if _are_numbers(cells, ".") or _are_numbers(cells, ",")
        if name in custom or (name in columns and find_field(importer, columns[name]).type is FieldType.NUMBER)
    ]
    decimal = guess_decimal([cell for cells in numeric for cell in cells]) or "."
    for name, cells in custom.items():
        target = _attribute(columns[name])
        # "007" is a code, not seven.
        if _are_numbers(cells, decimal) and not any(re.match(r"0\d", cell) for cell in cells):
            types[target] = "number"
        elif all(_is(parse_boolean, cell) for cell in cells):
            types[target] = "boolean"
        else:
            form, ambiguous = guess_date_format(cells[:50])
            if form and not ambiguous and guess_date_format(cells)[0] == form and all(map(str.strip, cells)):
                is_day = "%H" not in form and all(len(cell) <= _LONGEST_DAY for cell in cells)
                types[target] = "date" if is_day else "datetime"
    return types


def _are_numbers(cells: Sequence[str], decimal: str) -> bool:
    """Whether each is a number with this decimal sign; "1.10.25" is a version or a date, not grouped thousands."""
    return all(_is(parse_decimal, cell, decimal) and (cell.count(".") <= 1 or "," in cell) for cell in cells)


def _is(parse: Any, *arguments: str) -> bool:
    try:
        parse(*arguments)
    except RowRejected:
        return False
    return True
