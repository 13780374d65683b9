"""Reads customers as PostgreSQL's COPY writes them (CSV) into an Arrow table of what is compared."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kapelle.customers.tasks.linkage.names import name_forms
from kapelle.customers.tasks.linkage.options import COLUMNS
from kapelle.customers.tasks.linkage.texts import beyond_names, digits, mailbox, plain, sound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_ATTRIBUTES = 8
_LONG_TEXT = 100  # a comment or a description, nothing that two records would share
_MIN_FILLED = 0.05  # of all records
_MIN_BITS = 3.0  # what sharing a value tells; below it is a sort or a size
_CODE_DIGITS = 0.6  # of the characters: a number written in some way

_TEXT = pa.string()
_TEXTS = (
    "id", "first_name", "first_sound", "last_name", "last_sound", "middle_name", "birth_date", "gender", "mailbox",
    "mailbox_sound", "mailbox_rest", "domain", "phone", "city", "region",
)  # fmt: skip
_FIELDS = (("unique_id", pa.int64()), ("first_forms", pa.list_(_TEXT)), *((name, _TEXT) for name in _TEXTS))
_SAMPLE = 50_000
csv.field_size_limit(1 << 30)  # attributes are one field, and may be long
_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Records:
    """All records: the table, and which attributes became its columns `attribute_0`, `attribute_1`, ..."""

    table: pa.Table
    attributes: list[str]


def load(lines: Iterable[str]) -> Records:
    """Read the rows of a COPY … CSV without a header. The first ones show which attributes are worth comparing."""
    rows = (_read(row) for row in csv.reader(lines))
    sample = list(islice(rows, _SAMPLE))
    attributes = choose([found for _, found in sample])
    schema = pa.schema([*_FIELDS, *((f"attribute_{number}", _TEXT) for number in range(len(attributes)))])
    numbered = enumerate(chain(sample, rows))
    batches = []
    while part := list(islice(numbered, _BATCH)):
        records = [
            {
                "unique_id": number,
                **record,
                **{f"attribute_{place}": found.get(name) for place, name in enumerate(attributes)},
            }
            for number, (record, found) in part
        ]
        batches.append(pa.RecordBatch.from_pylist(records, schema))
    return Records(pa.Table.from_batches(batches, schema), attributes)


def choose(records: list[dict[str, str]]) -> list[str]:
    """The attributes worth comparing: texts that enough records have and that tell people apart, the best first."""
    filled: Counter[str] = Counter(name for record in records for name in record)
    worth: dict[str, float] = {}
    for name, times in filled.items():
        if times < max(2, _MIN_FILLED * len(records)):
            continue
        values = Counter(record[name] for record in records if name in record)
        if len(values) == times == 1:
            continue
        together = sum(count * count for count in values.values()) / times**2
        bits = -math.log2(together)
        if bits >= min(_MIN_BITS, math.log2(times) / 2):
            worth[name] = bits * times
    return sorted(worth, key=lambda name: (-worth[name], name))[:MAX_ATTRIBUTES]


def _read(row: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    fields = dict(zip(COLUMNS, row, strict=True))
    first, last = plain(fields["first_name"]), plain(fields["last_name"])
    local, domain = mailbox(fields["email"])
    record = {
        "id": fields["id"],
        "first_name": first,
        "first_sound": sound(first),
        "first_forms": name_forms(first) if first else None,
        "last_name": last,
        "last_sound": sound(last),
        "middle_name": plain(fields["middle_name"]),
        "birth_date": fields["birth_date"].replace("-", ""),
        "gender": fields["gender"],
        "mailbox": local,
        "mailbox_sound": sound(local),
        "mailbox_rest": beyond_names(local, first, last),
        "domain": domain,
        "phone": digits(fields["phone"]),
        "city": plain(fields["city"]),
        "region": plain(fields["region"]),
    }
    known = {name: value or None for name, value in record.items()}
    return known, {name: value for name, text in _texts(fields["attributes"]) if (value := _attribute(text))}


def _texts(attributes: str) -> Iterator[tuple[str, str]]:
    if len(attributes) > len("{}"):
        for name, value in json.loads(attributes).items():
            if isinstance(value, str) and 0 < len(value) <= _LONG_TEXT:
                yield name, value


def _attribute(text: str) -> str:
    """Codes and telephone numbers by their digits, all else as words."""
    numbers = digits(text)
    letters = sum(character.isalpha() for character in text)
    return numbers if numbers and not letters and len(numbers) >= _CODE_DIGITS * len(text) else plain(text)
