"""Who calls, and whom they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.customers.actions import NotAnIdentifier, normalize, normalize_kind
from kapelle.customers.contracts import strength
from kapelle.kernel.errors import Invalid

if TYPE_CHECKING:
    from kapelle.accounts.contracts import KeyInfo
    from kapelle.customers.contracts import IdentifierPair


class IdentifierInvalid(Invalid):
    """A value that cannot identify anybody."""

    code = "invalid_identifier"


def source_of(key: KeyInfo) -> str:
    """What rows that it writes name as their source."""
    return f"api:{key.prefix}"


def actor_of(key: KeyInfo) -> str:
    """What the audit log names it."""
    return f"key:{key.prefix}"


def read_identifiers(given: dict[str, str]) -> tuple[IdentifierPair, ...]:
    """Normalised, strongest first; raises IdentifierInvalid for one that cannot be used."""
    pairs: dict[IdentifierPair, None] = {}
    for kind, value in given.items():
        try:
            known = normalize_kind(kind)
            pairs[known, normalize(known, value)] = None
        except NotAnIdentifier as error:
            raise IdentifierInvalid(f"{kind} {value!r}: {error}.") from error
    return tuple(sorted(pairs, key=lambda pair: strength(pair[0])))
