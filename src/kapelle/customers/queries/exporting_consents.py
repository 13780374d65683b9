"""What of consent and of contact points can be exported: the ledger with its proof, and how each address stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.customers.queries.exporting import HOME_JOIN, conditions
from kapelle.imports.contracts import ColumnType, ExportColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kapelle.imports.contracts import ExportFilter

_TEXT, _AT = ColumnType.TEXT, ColumnType.DATETIME
_SCOPE = ("purpose", "channel", "topic", "brand")
_SAID = "workspace_id = p.workspace_id AND purpose = 'marketing' AND channel IN (p.channel, '') AND topic = ''"


class ConsentsExporter:
    """One row a line of the ledger: who said what, when, by which way, and what proves it."""

    kind = "consents"
    description = "the ledger of consents, each line with its proof"
    has_times = True  # at which it was said
    has_customers = True

    def columns(self) -> Sequence[ExportColumn]:
        return [
            ExportColumn("consent_id", _TEXT, "e.id::text"),
            ExportColumn("status", _TEXT, "e.status"),
            *(ExportColumn(name, _TEXT, f"e.{name}") for name in _SCOPE),
            ExportColumn("address", _TEXT, "e.address"),
            ExportColumn("happened_at", _AT, "e.happened_at"),
            ExportColumn("recorded_at", _AT, "e.recorded_at"),
            ExportColumn("source", _TEXT, "e.source"),
            ExportColumn("proof", ColumnType.JSON, "e.proof"),
            *_customer_columns("e"),
        ]

    def rows(self, chosen: ExportFilter) -> tuple[str, list[Any]]:
        where, parameters = conditions(chosen, time="e.happened_at")
        return f"FROM consent_entries e {HOME_JOIN.format(row='e')} WHERE true{where}", parameters


class ContactPointsExporter:
    """One row an address: whose it is, whether it was confirmed, and the latest word on marketing about it."""

    kind = "contact_points"
    description = "addresses and tokens with their owners, confirmations and state of consent"
    has_times = True  # at which they were first seen
    has_customers = True

    def columns(self) -> Sequence[ExportColumn]:
        return [
            ExportColumn("channel", _TEXT, "p.channel"),
            ExportColumn("address", _TEXT, "p.address"),
            ExportColumn("first_seen_at", _AT, "p.first_seen_at"),
            ExportColumn("last_seen_at", _AT, "p.last_seen_at"),
            ExportColumn("confirmed_at", _AT, "p.confirmed_at"),
            ExportColumn("confirmed_by", _TEXT, "p.confirmed_by"),
            ExportColumn("source", _TEXT, "p.source"),
            ExportColumn("consent_status", _TEXT, _latest("status")),
            ExportColumn("consent_at", _AT, _latest("happened_at")),
            ExportColumn("consent_source", _TEXT, _latest("source")),
            ExportColumn(
                "suppressed_for",
                _TEXT,
                "(SELECT string_agg(DISTINCT s.reason, ', ' ORDER BY s.reason) FROM suppressions s"
                " WHERE s.workspace_id = p.workspace_id AND s.channel = p.channel AND s.address = p.address"
                " AND s.lifted_at IS NULL)",
            ),
            *_customer_columns("p"),
        ]

    def rows(self, chosen: ExportFilter) -> tuple[str, list[Any]]:
        where, parameters = conditions(chosen, time="p.first_seen_at")
        return f"FROM contact_points p {HOME_JOIN.format(row='p')} WHERE true{where}", parameters


def _customer_columns(row: str) -> list[ExportColumn]:
    return [
        ExportColumn("customer_id", _TEXT, f"coalesce(c.id, {row}.origin_id)::text"),
        ExportColumn("customer_user_id", _TEXT, "c.external_id"),
        ExportColumn("customer_email", _TEXT, "c.email"),
    ]


def _latest(column: str) -> str:
    """Of what was said about the address itself: the exact channel before all channels."""
    return (
        f"(SELECT {column} FROM consent_states WHERE {_SAID} AND address = p.address"
        " ORDER BY channel DESC, happened_at DESC LIMIT 1)"
    )
