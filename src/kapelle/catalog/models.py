"""Tables of products and orders. Money is Decimal with four places, in the order's currency."""

from __future__ import annotations

from django.db import models

from kapelle.kernel.tenancy import CompositeForeignKey, TenantModel


class Category(TenantModel):
    """A place in the shop's tree."""

    external_id = models.TextField()
    name = models.TextField()
    parent_external_id = models.TextField(default="")

    class Meta:
        db_table = "categories"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "external_id"], name="categories_unique")]


class Product(TenantModel):
    """Something sold, by the shop's own id."""

    external_id = models.TextField()
    name = models.TextField(default="")
    sku = models.TextField(default="")
    brand = models.TextField(default="")
    category_external_id = models.TextField(default="")
    price = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    currency = models.CharField(max_length=3, default="")
    url = models.TextField(default="")
    image_url = models.TextField(default="")
    is_available = models.BooleanField(default=True)
    attributes = models.JSONField(default=dict)
    source = models.CharField(max_length=200)
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "products"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "external_id"], name="products_unique")]


class Order(TenantModel):
    """A purchase. `origin_id` is the identifier it came for; merges leave it, readers go through the map."""

    batch_id = models.BigIntegerField()
    external_id = models.TextField()  # the shop's order number
    origin_id = models.UUIDField(null=True)  # null: nobody was named (cash at the till)
    status = models.CharField(max_length=60)
    ordered_at = models.DateTimeField()
    currency = models.CharField(max_length=3)
    total = models.DecimalField(max_digits=18, decimal_places=4)  # after returns, what was really paid
    returned_total = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    attributes = models.JSONField(default=dict)
    source = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "orders"
        constraints = [
            models.UniqueConstraint(fields=["workspace_id", "external_id"], name="orders_unique"),
            models.UniqueConstraint(fields=["workspace_id", "id"], name="orders_workspace_id"),
            CompositeForeignKey(name="orders_origin", field="origin_id", to_table="identifiers", on_delete="SET NULL"),
        ]
        indexes = [
            models.Index(fields=["batch_id"], name="orders_batch"),
            models.Index(fields=["workspace_id", "origin_id", "-ordered_at"], name="orders_customer"),
        ]


class OrderLine(TenantModel):
    """One product in an order. A return keeps the line and says how much of it came back."""

    order_id = models.UUIDField()
    number = models.IntegerField()
    product_external_id = models.TextField()
    name = models.TextField(default="")
    quantity = models.DecimalField(max_digits=18, decimal_places=4)
    unit_price = models.DecimalField(max_digits=18, decimal_places=4)
    total = models.DecimalField(max_digits=18, decimal_places=4)
    returned_quantity = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    returned_total = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    status = models.CharField(max_length=60, default="")

    class Meta:
        db_table = "order_lines"
        constraints = [
            models.UniqueConstraint(fields=["workspace_id", "order_id", "number"], name="order_lines_unique"),
            CompositeForeignKey(name="order_lines_order", field="order_id", to_table="orders"),
        ]


class OrderStatusChange(TenantModel):
    """When an order took which status."""

    order_id = models.UUIDField()
    status = models.CharField(max_length=60)
    at = models.DateTimeField()

    class Meta:
        db_table = "order_statuses"
        constraints = [CompositeForeignKey(name="order_statuses_order", field="order_id", to_table="orders")]
        indexes = [models.Index(fields=["workspace_id", "order_id", "at"], name="order_statuses_order_idx")]


class OrderReturn(TenantModel):
    """A part of a return document: so much of one line of an order came back. Without an order: nothing fitted."""

    document = models.TextField()  # the shop's number of the return
    number = models.IntegerField()  # the line of the document
    part = models.IntegerField(default=1)  # a line of a document may take back from several orders
    order_id = models.UUIDField()  # the order that it came from; the document's own order when none was found
    line_id = models.UUIDField(null=True)
    product_external_id = models.TextField(default="")
    quantity = models.DecimalField(max_digits=18, decimal_places=4)  # positive
    total = models.DecimalField(max_digits=18, decimal_places=4)  # positive: what was paid back
    at = models.DateTimeField()
    source = models.CharField(max_length=200)

    class Meta:
        db_table = "order_returns"
        constraints = [
            models.UniqueConstraint(fields=["workspace_id", "document", "number", "part"], name="order_returns_unique"),
            CompositeForeignKey(name="order_returns_order", field="order_id", to_table="orders"),
        ]
        indexes = [models.Index(fields=["workspace_id", "order_id"], name="order_returns_order_idx")]
