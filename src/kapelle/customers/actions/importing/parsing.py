"""Builds the function that reads a row's customer columns: for files of customers and for orders that name theirs."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import phonenumbers

from kapelle.customers.actions.identifiers import NotAnIdentifier, normalize, normalize_kind
from kapelle.customers.actions.importing.drafts import (
    IDENTIFIER_FIELDS,
    CustomerDraft,
    cell_of,
    column_of,
    convert_gender,
    converter,
)
from kapelle.customers.contracts import MAIN_COLUMNS, PHONE, strength
from kapelle.customers.models import AttributeDefinition
from kapelle.imports.contracts import MappingInvalid, RowRejected
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from kapelle.imports.contracts import ImportContext, TargetField


def customer_parser(
    context: ImportContext, columns: dict[str, int], fields: tuple[TargetField, ...], prefix: str = ""
) -> Callable[[list[str], datetime], CustomerDraft | None]:
    """A function from cells and the time of the facts to a draft; None when the row names nobody.

    `columns` are all mapped ones; those of customers start with `prefix`.
    """
    named = {name.removeprefix(prefix): at for name, at in columns.items() if name.startswith(prefix)}
    identifiers = [
        (_kind(name), at) for name, at in named.items() if name in IDENTIFIER_FIELDS or name.startswith("identifier.")
    ]
    identifiers.sort(key=lambda pair: strength(pair[0]))
    profile = [
        (field.name, named[field.name], _profile_converter(context, field, prefix))
        for field in fields
        if field.name in named
    ]
    attributes = _attribute_columns(context, named, prefix)
    region = context.mapping.phone_region

    def parse(cells: list[str], as_of: datetime) -> CustomerDraft | None:
        found = []
        for kind, at in identifiers:
            text = cell_of(cells, at)
            if text:
                found.append((kind, _identifier(kind, text, region)))
        if not found:
            return None
        draft = CustomerDraft(tuple(found), as_of)
        draft.fields = {MAIN_COLUMNS[kind]: value for kind, value in found if kind in MAIN_COLUMNS}
        for name, at, convert in profile:
            if text := cell_of(cells, at):
                draft.fields[name] = convert(text)
        for name, at, convert in attributes:
            if text := cell_of(cells, at):
                draft.attributes[name] = _json_value(convert(text))
        return draft

    return parse


def _kind(target: str) -> str:
    try:
        return normalize_kind(target.removeprefix("identifier."))
    except NotAnIdentifier as error:
        raise MappingInvalid(f"{target!r}: {error}.", fields=[target]) from error


def _identifier(kind: str, text: str, region: str | None) -> str:
    try:
        if kind == PHONE and region and not text.startswith("+"):
            text = _with_country(text, region)
        return normalize(kind, text)
    except NotAnIdentifier as error:
        raise RowRejected("invalid_identifier", f"{kind} {text!r}: {error}") from error


def _with_country(text: str, region: str) -> str:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        raise NotAnIdentifier("it is not a phone number") from error
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _profile_converter(context: ImportContext, field: TargetField, prefix: str) -> Callable[[str], Any]:
    if field.name == "gender":
        return convert_gender
    return converter(context, column_of(context, prefix + field.name), field.type)


def _attribute_columns(
    context: ImportContext, named: dict[str, int], prefix: str
) -> list[tuple[str, int, Callable[[str], Any]]]:
    """Custom fields; one that exists already keeps its type, whatever the mapping says."""
    wanted = {name.removeprefix("attributes."): at for name, at in named.items() if name.startswith("attributes.")}
    if not wanted:
        return []
    types = dict(context.mapping.attribute_types)
    with workspace_scope(context.workspace_id):
        types |= dict(AttributeDefinition.objects.filter(name__in=wanted).values_list("name", "type"))
    return [
        (name, at, converter(context, column_of(context, f"{prefix}attributes.{name}"), types.get(name, "text")))
        for name, at in wanted.items()
    ]


def _json_value(value: Any) -> Any:
    """The value as JSON keeps it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value.isoformat() if isinstance(value, date) else value
