"""What templates may know: customers and products as plain dictionaries, read set-wise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.errors import Invalid, NotFound
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

TOP_PRODUCTS = 12
_TOP_DAYS = 30

# A profile merged away meanwhile speaks with its winner's facts.
_CUSTOMERS = """
SELECT asked.id, c.id, c.external_id, c.email, c.phone, c.first_name, c.middle_name, c.last_name, c.gender,
       c.birth_date, c.registered_at, c.language, c.time_zone, c.country, c.region, c.city, c.attributes
FROM customers asked JOIN customers c ON c.workspace_id = %b AND c.id = coalesce(asked.merged_into, asked.id)
WHERE asked.workspace_id = %b AND asked.id = ANY(%b::uuid[])
"""
_FIELDS = [
    "id",
    "external_id",
    "email",
    "phone",
    "first_name",
    "middle_name",
    "last_name",
    "gender",
    "birth_date",
    "registered_at",
    "language",
    "time_zone",
    "country",
    "region",
    "city",
]
_ADDRESSES = """
SELECT DISTINCT c.id, c.email FROM customers asked
JOIN customers c ON c.workspace_id = %b AND c.id = coalesce(asked.merged_into, asked.id)
WHERE asked.workspace_id = %b AND asked.id = ANY(%b::uuid[]) ORDER BY c.id
"""
_PRODUCT_FIELDS = "external_id, name, sku, brand, price, currency, url, image_url, attributes"
_NAMED = f"SELECT {_PRODUCT_FIELDS} FROM products WHERE workspace_id = %b AND external_id = ANY(%b::text[])"
_TOP = f"""
SELECT {_PRODUCT_FIELDS} FROM products p JOIN (
    SELECT l.product_external_id, count(DISTINCT l.order_id) AS sold
    FROM order_lines l JOIN orders o ON o.workspace_id = %b AND o.id = l.order_id
    WHERE l.workspace_id = %b AND o.ordered_at > (
        SELECT max(ordered_at) - make_interval(days => {_TOP_DAYS}) FROM orders WHERE workspace_id = %b
    )
    GROUP BY l.product_external_id ORDER BY sold DESC, l.product_external_id LIMIT {TOP_PRODUCTS * 10}
) t ON t.product_external_id = p.external_id
WHERE p.workspace_id = %b AND p.is_available ORDER BY t.sold DESC, p.external_id LIMIT {TOP_PRODUCTS}
"""


def read_customers(ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """By the id asked for: `{"customer": {...}, "attributes": {...}}`. Ids of other workspaces are not there."""
    workspace_id = current_workspace()
    rows = bulk_cursor().execute(_CUSTOMERS, [workspace_id, workspace_id, list(ids)], binary=True)
    return {
        row[0]: {
            "customer": {name: _plain(value) for name, value in zip(_FIELDS, row[1:-1], strict=True)},
            "attributes": row[-1],
        }
        for row in rows
    }


def find_addresses(ids: Sequence[UUID]) -> list[tuple[UUID, str]]:
    """(customer, e-mail or "") of these profiles' winners, each once."""
    workspace_id = current_workspace()
    rows = bulk_cursor().execute(_ADDRESSES, [workspace_id, workspace_id, list(ids)], binary=True)
    return [(row[0], row[1]) for row in rows]


def read_products(external_ids: Sequence[str]) -> dict[str, Any]:
    """By external id the product's fields; under "" (if asked for) the list of what sold most in the last 30 days of
    sales."""
    workspace_id = current_workspace()
    found: dict[str, Any] = {}
    if named := [external_id for external_id in external_ids if external_id]:
        for row in bulk_cursor().execute(_NAMED, [workspace_id, named]):
            found[row[0]] = _product(row)
    if "" in external_ids:
        found[""] = [_product(row) for row in bulk_cursor().execute(_TOP, [workspace_id] * 4)]
    return found


def _product(row: tuple[Any, ...]) -> dict[str, Any]:
    fields = dict(zip(_PRODUCT_FIELDS.split(", "), row, strict=True))
    price = fields["price"]
    # Two places as people write money; more only where the shop has them.
    fields["price"] = "" if price is None else f"{price.normalize():f}" if price != round(price, 2) else f"{price:.2f}"
    return fields


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    return value if isinstance(value, str) else value.isoformat() if hasattr(value, "isoformat") else str(value)


def find_customer(*, customer_id: UUID | None, identifier: str | None) -> UUID | None:
    """Whose facts a preview shows, by id or by `kind:value` such as `email:ann@example.test`; raises NotFound."""
    if customer_id is None and not identifier:
        return None
    workspace_id = current_workspace()
    if customer_id is not None:
        value: list[UUID | str] = [customer_id]
        sql = "SELECT id FROM customers WHERE workspace_id = %b AND id = %b"
    else:
        kind, colon, name = (identifier or "").partition(":")
        if not colon:
            raise Invalid("identifier must be kind:value, such as email:ann@example.test.")
        sql = "SELECT customer_id FROM identifiers WHERE workspace_id = %b AND kind = %b AND value = %b"
        value = [kind, name.strip().lower() if kind == "email" else name.strip()]
    row = bulk_cursor().execute(sql, [workspace_id, *value]).fetchone()
    if row is None:
        raise NotFound(f"There is no customer {identifier or customer_id} in this workspace.")
    found: UUID = row[0]
    return found
