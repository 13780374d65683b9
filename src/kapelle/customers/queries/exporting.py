"""What of customers and their events can be exported. Columns that an import takes bear the names it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.customers.contracts import EMAIL, PHONE, USER_ID
from kapelle.customers.models import AttributeDefinition
from kapelle.imports.contracts import ColumnType, ExportColumn
from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kapelle.imports.contracts import ExportFilter

# Joins a row's `origin_id` to the customer `c` whom it belongs to now.
HOME_JOIN = """
LEFT JOIN identifiers origin ON origin.workspace_id = {row}.workspace_id AND origin.id = {row}.origin_id
LEFT JOIN customers c ON c.workspace_id = {row}.workspace_id AND c.id = origin.customer_id
"""
_TEXTS = ("first_name", "middle_name", "last_name", "gender")
_PLACES = ("language", "time_zone", "country", "region", "city", "comment")
_SEEN = ("ip", "device_type", "screen", "os", "browser", "browser_version")
_MAIN = {USER_ID: "c.external_id", EMAIL: "c.email", PHONE: "c.phone"}
# Every identifier of the customer, those that came with merges among them.
_IDENTIFIERS = """
FROM identifiers i WHERE i.workspace_id = c.workspace_id AND i.customer_id = c.id
"""
# The kinds that occur, each found by one step in the unique index.
_KINDS = """
WITH RECURSIVE found (kind) AS (
    (SELECT kind FROM identifiers WHERE workspace_id = %(w)s ORDER BY kind LIMIT 1)
    UNION ALL
    SELECT (SELECT kind FROM identifiers i WHERE i.workspace_id = %(w)s AND i.kind > found.kind ORDER BY kind LIMIT 1)
    FROM found WHERE found.kind IS NOT NULL
)
SELECT kind FROM found WHERE kind IS NOT NULL
"""
_ATTRIBUTE_TYPES = {"number": ColumnType.NUMBER, "boolean": ColumnType.BOOLEAN}
_CASTS = {ColumnType.NUMBER: "float8", ColumnType.BOOLEAN: "boolean"}


class CustomersExporter:
    """One row a customer, known or anonymous; who was merged away is in the row of whom they became."""

    kind = "customers"
    description = "customers with their identifiers, fields and custom fields"
    has_times = True  # of their first appearance
    has_customers = True

    def columns(self) -> Sequence[ExportColumn]:
        text, at = ColumnType.TEXT, ColumnType.DATETIME
        return [
            *(ExportColumn(kind, text, sql) for kind, sql in _MAIN.items()),
            *(_identifier_column(kind) for kind in _kinds()),
            *(ExportColumn(name, text, f"c.{name}") for name in _TEXTS),
            ExportColumn("birth_date", ColumnType.DATE, "c.birth_date"),
            ExportColumn("registered_at", at, "c.registered_at"),
            *(ExportColumn(name, text, f"c.{name}") for name in _PLACES),
            *map(_attribute_column, AttributeDefinition.objects.order_by("name").values_list("name", "type")),
            ExportColumn("kapelle_id", text, "c.id::text"),
            ExportColumn(
                "kapelle_identifiers",
                ColumnType.JSON,
                f"(SELECT jsonb_agg(jsonb_build_array(i.kind, i.value) ORDER BY i.first_seen_at, i.id) {_IDENTIFIERS})",
            ),
            ExportColumn("kapelle_is_identified", ColumnType.BOOLEAN, "c.is_identified"),
            *(ExportColumn(f"kapelle_{name}", text, f"c.{name}") for name in _SEEN),
            ExportColumn("kapelle_created_at", at, "c.created_at"),
            ExportColumn("kapelle_updated_at", at, "c.updated_at"),
        ]

    def rows(self, chosen: ExportFilter) -> tuple[str, list[Any]]:
        where, parameters = conditions(chosen, time="c.created_at")
        return f"FROM customers c WHERE c.merged_into IS NULL{where}", parameters


class EventsExporter:
    """One row an event, with the customer whom it belongs to now."""

    kind = "events"
    description = "all events of all customers, with their properties and context as JSON"
    has_times = True
    has_customers = True

    def columns(self) -> Sequence[ExportColumn]:
        text, at, json = ColumnType.TEXT, ColumnType.DATETIME, ColumnType.JSON
        return [
            ExportColumn("event_id", text, "e.id::text"),
            ExportColumn("kind", text, "e.kind"),
            ExportColumn("name", text, "e.name"),
            ExportColumn("occurred_at", at, "e.occurred_at"),
            ExportColumn("received_at", at, "e.received_at"),
            ExportColumn("customer_id", text, "coalesce(c.id, e.origin_id)::text"),
            ExportColumn("customer_user_id", text, "c.external_id"),
            ExportColumn("customer_email", text, "c.email"),
            ExportColumn("message_id", text, "e.message_id"),
            ExportColumn("source", text, "e.source"),
            ExportColumn("properties", json, "e.properties"),
            ExportColumn("context", json, "e.context"),
        ]

    def rows(self, chosen: ExportFilter) -> tuple[str, list[Any]]:
        where, parameters = conditions(chosen, time="e.occurred_at")
        return f"FROM events e {HOME_JOIN.format(row='e')} WHERE true{where}", parameters


def conditions(chosen: ExportFilter, *, time: str) -> tuple[str, list[Any]]:
    """The filter as SQL for a query in which `c` is the customer."""
    where = ""
    parameters: list[Any] = []
    if chosen.since:
        where, parameters = f"{where} AND {time} >= %s", [*parameters, chosen.since]
    if chosen.until:
        where, parameters = f"{where} AND {time} < %s", [*parameters, chosen.until]
    if chosen.members:
        sql, values = chosen.members
        where, parameters = f"{where} AND c.id IN ({sql})", [*parameters, *values]
    return where, parameters


def _kinds() -> list[str]:
    with bulk_cursor() as cursor:
        return [kind for (kind,) in cursor.execute(_KINDS, {"w": current_workspace()})]


def _identifier_column(kind: str) -> ExportColumn:
    """The first identifier of this kind; of the main kinds the first that has no column of its own."""
    beside = f" AND i.value <> {_MAIN[kind]}" if kind in _MAIN else ""
    sql = f"(SELECT i.value {_IDENTIFIERS} AND i.kind = %s{beside} ORDER BY i.first_seen_at, i.id LIMIT 1)"
    return ExportColumn(f"identifier.{kind}", ColumnType.TEXT, sql, (kind,))


def _attribute_column(definition: tuple[str, str]) -> ExportColumn:
    """Numbers and booleans as such; a value of another type than its field's stays out of these columns' way."""
    name, kind = definition
    column = _ATTRIBUTE_TYPES.get(kind, ColumnType.TEXT)
    if column in _CASTS:
        sql = (
            f"CASE WHEN jsonb_typeof(c.attributes -> %s) = '{column.value}'"
            f" THEN (c.attributes ->> %s)::{_CASTS[column]} END"
        )
        return ExportColumn(f"attributes.{name}", column, sql, (name, name))
    return ExportColumn(f"attributes.{name}", column, "c.attributes ->> %s", (name,))
