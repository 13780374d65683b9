"""Finds a person in texts of any form: bodies that could not be used, rows of files, remembered answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kapelle.privacy.contracts import Subject

_MIN_DIGITS = 7
NOBODY = "(?!)"


def mention_pattern(subject: Subject) -> str:
    """A regular expression, for lower-case text and for PostgreSQL and Python alike, that names of the person match.

    Addresses and ids are found wherever they stand, telephone numbers however they are grouped. Other names (a user id
    may be "7") only where they stand for one: `"user_id": "7"`.
    """
    return "|".join(_patterns(subject)) or NOBODY


def _patterns(subject: Subject) -> Iterator[str]:
    for origin in subject.origin_ids:
        yield re.escape(str(origin))
    for kind, value in subject.identifiers:
        digits = re.sub(r"\D", "", value)
        if kind == "phone" and len(digits) >= _MIN_DIGITS:
            yield f"(?<![0-9]){'[^0-9a-z]{0,3}'.join(digits)}(?![0-9])"
        elif "@" in value:
            yield f"(?<![a-z0-9._%+-]){_escaped(value)}(?![a-z0-9-])"
        else:
            names = "|".join(sorted({kind, kind.replace("_", ""), "id", "previousid", "previous_id"}))
            yield f'"({names})"[]\\s]*[:,]\\s*"?{_escaped(value)}"?\\s*[],}}]'


def _escaped(value: str) -> str:
    return re.escape(value.lower()).replace("\\ ", " ")
