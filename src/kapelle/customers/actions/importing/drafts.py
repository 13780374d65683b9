"""From a row's cells to a customer to be: identifiers, fields, custom attributes, typed and checked. No database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kapelle.imports.actions.mapping import find_field
from kapelle.imports.actions.values import (
    ISO,
    is_nothing,
    parse_boolean,
    parse_date,
    parse_datetime,
    parse_decimal,
    parse_integer,
)
from kapelle.imports.contracts import FieldType, Importer, RowRejected, TargetField

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from kapelle.imports.contracts import ImportContext
    from kapelle.privacy.contracts import Scope, Status

Convert = "Callable[[str], Any]"


@dataclass(slots=True)
class CustomerDraft:
    """A customer as one row tells it. Empty cells are left out: they change nothing."""

    identifiers: tuple[tuple[str, str], ...]
    as_of: datetime  # the time of the facts: an older one never overwrites a newer one
    fields: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    consents: dict[Scope, Status] = field(default_factory=dict)
    consented_at: datetime | None = None  # when they were said, if the row says so


T, D = FieldType.TEXT, FieldType.DATETIME
IDENTIFIER_FIELDS: dict[str, TargetField] = {
    "user_id": TargetField(
        "user_id",
        T,
        "the shop's own id of the customer",
        (
            "customerid",
            "userid",
            "clientid",
            "externalid",
            "customer",
            "id",
            "customernumber",
            "clientnumber",
            "идентификатор",
            "идклиента",
            "номерклиента",
            "клиент",
            "idклиента",
            "кодклиента",
        ),
    ),
    "email": TargetField(
        "email",
        T,
        "e-mail address",
        (
            "emailaddress",
            "mail",
            "customeremail",
            "clientemail",
            "почта",
            "электроннаяпочта",
            "емейл",
            "имейл",
            "адресэлектроннойпочты",
        ),
    ),
    "phone": TargetField(
        "phone",
        T,
        "telephone number with country code",
        (
            "phonenumber",
            "mobile",
            "mobilephone",
            "tel",
            "telephone",
            "cell",
            "телефон",
            "номертелефона",
            "мобильный",
            "мобильныйтелефон",
        ),
    ),
}
PROFILE_FIELDS: tuple[TargetField, ...] = (
    TargetField("first_name", T, "first name", ("firstname", "givenname", "имя", "имяклиента")),
    TargetField("middle_name", T, "middle name or patronymic", ("middlename", "patronymic", "отчество")),
    TargetField("last_name", T, "last name", ("lastname", "surname", "familyname", "фамилия")),
    TargetField("gender", T, "female, male or other", ("sex", "пол")),
    TargetField(
        "birth_date",
        FieldType.DATE,
        "date of birth",
        ("birthday", "birthdate", "dob", "dateofbirth", "датарождения", "деньрождения"),
    ),
    TargetField(
        "registered_at",
        D,
        "when the customer registered",
        ("registered", "registrationdate", "signupdate", "createdat", "created", "датарегистрации", "зарегистрирован"),
    ),
    TargetField("language", T, "language, such as en", ("lang", "locale", "язык")),
    TargetField("time_zone", T, "time zone, such as Europe/Berlin", ("timezone", "часовойпояс")),
    TargetField("country", T, "country", ("countryname", "countrycode", "страна")),
    TargetField("region", T, "region or area", ("state", "province", "area", "регион", "область", "край")),
    TargetField("city", T, "city or town", ("town", "город", "населенныйпункт")),
    TargetField("comment", T, "a note", ("note", "notes", "comments", "комментарий", "примечание")),
)
ATTRIBUTES = TargetField("attributes.*", T, "a custom field: attributes.favorite_size")
OTHER_IDENTIFIERS = TargetField("identifier.*", T, "an identifier of a kind of your own: identifier.loyalty_card")

CONSENTS = TargetField("consent.*", T, "a subscription: consent.email, consent.sms, consent.email.TOPIC")
CONSENTED_AT = TargetField("consented_at", D, "when the row's subscriptions were granted or refused")

_GENDERS = {
    **dict.fromkeys(("f", "female", "w", "woman", "ж", "жен", "женский", "женщина"), "female"),
    **dict.fromkeys(("m", "male", "man", "м", "муж", "мужской", "мужчина"), "male"),
    **dict.fromkeys(("other", "x", "d", "diverse", "nonbinary", "non-binary", "другой", "другое"), "other"),
}
_TRUNCATED = 10_000


def convert_gender(text: str) -> str:
    """female, male or other; raises RowRejected."""
    gender = _GENDERS.get(text.lower().rstrip("."))
    if gender is None:
        raise RowRejected("unknown_gender", f"{text!r} is not a gender that is understood: female, male, other")
    return gender


def convert_text(text: str) -> str:
    """The text as it is; raises RowRejected if it is too long for a field."""
    if len(text) > _TRUNCATED:
        raise RowRejected("text_too_long", f"a field has {len(text)} characters, {_TRUNCATED} at most")
    return text


def converter(context: ImportContext, column: str, kind: FieldType | str) -> Callable[[str], Any]:
    """The function that reads this column's cells as this type, in the mapping's formats."""
    mapping = context.mapping
    form = mapping.date_formats.get(column) or mapping.date_format or ISO
    decimal = mapping.decimal or "."
    match str(kind):
        case "number":
            return lambda text: parse_decimal(text, decimal)
        case "integer":
            return parse_integer
        case "boolean":
            return parse_boolean
        case "date":
            return lambda text: parse_date(text, form)
        case "datetime":
            return lambda text: parse_datetime(text, form, context.timezone)
        case "list":
            return lambda text: [part.strip() for part in text.split("|" if "|" in text else ";") if part.strip()]
        case _:
            return convert_text


def column_of(context: ImportContext, target: str) -> str:
    """The column that is mapped to this target."""
    return next(name for name, mapped in context.mapping.columns.items() if mapped == target)


def target_converter(context: ImportContext, importer: Importer, target: str) -> Callable[[str], Any]:
    """The function that reads the cells of a target's column."""
    return converter(context, column_of(context, target), find_field(importer, target).type)


def cell_of(cells: list[str], index: int) -> str:
    """The trimmed cell; "" for the words that mean nothing, such as NULL."""
    text = cells[index].strip()
    return "" if not text or is_nothing(text) else text
