"""What of orders and products can be exported. Columns that an import takes bear the names it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.customers.queries.exporting import HOME_JOIN, conditions
from kapelle.imports.contracts import ColumnType, ExportColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kapelle.imports.contracts import ExportFilter

_TEXT, _AT, _SUM = ColumnType.TEXT, ColumnType.DATETIME, ColumnType.DECIMAL


class OrdersExporter:
    """One row a line; an order without lines has one row of its own."""

    kind = "orders"
    description = "orders with their lines, one row a line"
    has_times = True
    has_customers = True

    def columns(self) -> Sequence[ExportColumn]:
        return [
            ExportColumn("order.external_id", _TEXT, "o.external_id"),
            ExportColumn("order.ordered_at", _AT, "o.ordered_at"),
            ExportColumn("order.status", _TEXT, "o.status"),
            ExportColumn("order.currency", _TEXT, "o.currency"),
            ExportColumn("line.number", ColumnType.INTEGER, "l.number"),
            ExportColumn("line.product_external_id", _TEXT, "l.product_external_id"),
            ExportColumn("line.name", _TEXT, "l.name"),
            ExportColumn("line.quantity", _SUM, "l.quantity"),
            ExportColumn("line.unit_price", _SUM, "l.unit_price"),
            ExportColumn("line.total", _SUM, "l.total"),
            ExportColumn("customer.user_id", _TEXT, "c.external_id"),
            ExportColumn("customer.email", _TEXT, "c.email"),
            ExportColumn("customer.phone", _TEXT, "c.phone"),
            ExportColumn("kapelle_order_total", _SUM, "o.total"),
            ExportColumn("kapelle_order_returned_total", _SUM, "o.returned_total"),
            ExportColumn("kapelle_order_attributes", ColumnType.JSON, "o.attributes"),
            ExportColumn("kapelle_order_source", _TEXT, "o.source"),
            ExportColumn("kapelle_line_status", _TEXT, "l.status"),
            ExportColumn("kapelle_line_returned_quantity", _SUM, "l.returned_quantity"),
            ExportColumn("kapelle_line_returned_total", _SUM, "l.returned_total"),
            ExportColumn("kapelle_customer_id", _TEXT, "coalesce(c.id, o.origin_id)::text"),
            ExportColumn("kapelle_updated_at", _AT, "o.updated_at"),
        ]

    def rows(self, chosen: ExportFilter) -> tuple[str, list[Any]]:
        where, parameters = conditions(chosen, time="o.ordered_at")
        lines = "LEFT JOIN order_lines l ON l.workspace_id = o.workspace_id AND l.order_id = o.id"
        return f"FROM orders o {HOME_JOIN.format(row='o')} {lines} WHERE true{where}", parameters


class ProductsExporter:
    """One row a product."""

    kind = "products"
    description = "products of the catalog"
    has_times = False
    has_customers = False

    def columns(self) -> Sequence[ExportColumn]:
        names = ("external_id", "name", "sku", "brand", "category_external_id")
        return [
            *(ExportColumn(name, _TEXT, f"p.{name}") for name in names),
            ExportColumn("price", _SUM, "p.price"),
            *(ExportColumn(name, _TEXT, f"p.{name}") for name in ("currency", "url", "image_url")),
            ExportColumn("is_available", ColumnType.BOOLEAN, "p.is_available"),
            ExportColumn("kapelle_attributes", ColumnType.JSON, "p.attributes"),
            ExportColumn("kapelle_updated_at", _AT, "p.updated_at"),
        ]

    def rows(self, chosen: ExportFilter) -> tuple[str, list[Any]]:
        return "FROM products p", []
