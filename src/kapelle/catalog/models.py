"""Tables of products, orders and product lists. Money is Decimal with four places, in the order's currency."""

from __future__ import annotations

from django.db import models

from kapelle.kernel.tenancy import CompositeForeignKey, TenantModel


class Category(TenantModel):
    """A place in the shop's tree."""

    batch_id = models.BigIntegerField(db_default=0)
    external_id = models.TextField()
    name = models.TextField()
    parent_external_id = models.TextField(default="")

    class Meta:
        db_table = "categories"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "external_id"], name="categories_unique")]
        indexes = [
            models.Index(fields=["batch_id"], name="categories_batch"),
            models.Index(fields=["workspace_id", "parent_external_id", "external_id"], name="categories_children"),
        ]


class Product(TenantModel):
    """Something sold, by the shop's own id."""

    batch_id = models.BigIntegerField(db_default=0)
    external_id = models.TextField()
    group_external_id = models.TextField(db_default="")  # what the colors and sizes of one thing have in common
    name = models.TextField(default="")
    description = models.TextField(db_default="")
    sku = models.TextField(default="")
    brand = models.TextField(default="")
    category_external_id = models.TextField(default="")
    price = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    old_price = models.DecimalField(max_digits=18, decimal_places=4, null=True)  # before a discount, as the shop says
    currency = models.CharField(max_length=3, default="")
    stock = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    url = models.TextField(default="")
    image_url = models.TextField(default="")
    is_available = models.BooleanField(default=True)
    attributes = models.JSONField(default=dict)
    feed = models.TextField(db_default="")  # the feed that brought it last; "" for none
    is_withdrawn = models.BooleanField(db_default=False)  # its feed has it no longer
    source = models.CharField(max_length=200)
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "products"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "external_id"], name="products_unique")]
        indexes = [
            models.Index(fields=["batch_id"], name="products_batch"),
            models.Index(fields=["workspace_id", "category_external_id", "external_id"], name="products_category"),
            models.Index(fields=["workspace_id", "feed", "external_id"], name="products_feed"),
        ]


class ProductChange(TenantModel):
    """What happened to a product, for those who wait for it; kept for a while. Batches grow in the order of commits."""

    batch_id = models.BigIntegerField()
    product_external_id = models.TextField()
    kind = models.CharField(max_length=20)  # contracts.ChangeKind
    at = models.DateTimeField()
    price = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    previous_price = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    percent = models.DecimalField(
        max_digits=9, decimal_places=2, null=True
    )  # of the previous price, below 0 for a drop
    currency = models.CharField(max_length=3, default="")
    source = models.CharField(max_length=200)

    class Meta:
        db_table = "product_changes"
        indexes = [
            models.Index(fields=["workspace_id", "batch_id", "id"], name="product_changes_stream"),
            models.Index(
                fields=["workspace_id", "product_external_id", "batch_id", "id"], name="product_changes_product"
            ),
            models.Index(fields=["workspace_id", "at"], name="product_changes_age"),
        ]


class Order(TenantModel):
    """A purchase. `origin_id` is the identifier it came for; merges leave it, readers go through the map."""

    batch_id = models.BigIntegerField()
    external_id = models.TextField()  # the shop's order number
    origin_id = models.UUIDField(null=True)  # null: nobody was named (cash at the till)
    status = models.CharField(max_length=60)
    status_at = models.DateTimeField(null=True)  # since when; null in orders from before this was kept
    ordered_at = models.DateTimeField()
    currency = models.CharField(max_length=3)
    total = models.DecimalField(max_digits=18, decimal_places=4)  # after returns, what was really paid
    returned_total = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    delivery_cost = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    tax = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    discount = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    promo_code = models.TextField(db_default="")
    payment_status = models.CharField(max_length=60, db_default="")
    channel = models.CharField(max_length=60, db_default="")  # "online", "offline" or the brand's own word
    store = models.TextField(db_default="")
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
            models.Index(fields=["workspace_id", "-ordered_at", "-id"], name="orders_recent"),
            models.Index(fields=["workspace_id", "-created_at", "-id"], name="orders_first_known"),
            models.Index(fields=["workspace_id", "status", "-ordered_at", "-id"], name="orders_status"),
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
    discount = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    status = models.CharField(max_length=60, default="")
    attributes = models.JSONField(default=dict)

    class Meta:
        db_table = "order_lines"
        constraints = [
            models.UniqueConstraint(fields=["workspace_id", "order_id", "number"], name="order_lines_unique"),
            CompositeForeignKey(name="order_lines_order", field="order_id", to_table="orders"),
        ]


class OrderStatusChange(TenantModel):
    """When an order, or one line of it, took which status."""

    order_id = models.UUIDField()
    line = models.IntegerField(null=True)  # the line's number; null: the order itself
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


class ProductListEntry(TenantModel):
    """One step in the life of a customer's product list (see contracts.ListEntry); `queries.list_fold` adds them up."""

    batch_id = models.BigIntegerField()
    origin_id = models.UUIDField()
    list = models.CharField(max_length=100)
    product_external_id = models.TextField()
    variant = models.TextField()
    key = models.TextField()
    at = models.DateTimeField()
    op = models.CharField(max_length=5)
    quantity = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    price = models.DecimalField(max_digits=18, decimal_places=4, null=True)

    class Meta:
        db_table = "product_list_entries"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace_id", "origin_id", "list", "product_external_id", "variant", "key"],
                name="product_list_entries_unique",
            ),
        ]
        indexes = [
            models.Index(fields=["batch_id"], name="product_list_entries_batch"),
            models.Index(
                fields=["workspace_id", "product_external_id", "list", "origin_id"], name="product_list_entries_product"
            ),
        ]


class CatalogSettings(TenantModel):
    """The workspace's own choices; one row, absent while they are the defaults."""

    order_empties_cart = models.BooleanField(default=True)  # what was ordered leaves the cart
    withdraw_limit = models.FloatField(default=0.3)  # a feed that lacks a larger share of its products is not believed
    change_days = models.IntegerField(default=90)  # how long changes of products are kept

    class Meta:
        db_table = "catalog_settings"
        constraints = [models.UniqueConstraint(fields=["workspace_id"], name="catalog_settings_one")]
