"""Reads of suppression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.privacy.contracts import Suppression, SuppressionReason
from kapelle.privacy.models import SuppressedAddress
from kapelle.privacy.queries.tombstones import find_erased_suppressions

if TYPE_CHECKING:
    from collections.abc import Sequence

# Joined into other modules' set-wise SQL: the strongest live reason of an address, in alphabetical order.
SUPPRESSED_SQL = """
    SELECT address, min(reason) AS reason FROM suppressions
    WHERE workspace_id = %(workspace)s AND channel = %(channel)s AND address = ANY(%(addresses)s) AND lifted_at IS NULL
    GROUP BY address
"""


def find_suppressed(*, channel: str, addresses: Sequence[str]) -> dict[str, SuppressionReason]:
    """Of these addresses the ones that may not be written to, with a reason. In the open scope.

    Also those of erased people who had left, which nothing but a keyed hash remembers.
    """
    erased = find_erased_suppressions((channel, address) for address in addresses)
    rows = SuppressedAddress.objects.filter(channel=channel, address__in=list(addresses), lifted_at=None)
    stored = {row.address: SuppressionReason(row.reason) for row in rows.order_by("-reason")}
    return {**{address: reason for (_, address), reason in erased.items()}, **stored}


def list_suppressions(*, channel: str, address: str) -> list[Suppression]:
    """Every live reason for one address (at most one of each kind)."""
    rows = SuppressedAddress.objects.filter(channel=channel, address=address, lifted_at=None).order_by("reason")
    return [
        Suppression(row.channel, row.address, SuppressionReason(row.reason), row.source, row.at)
        for row in rows[: len(SuppressionReason)]
    ]
