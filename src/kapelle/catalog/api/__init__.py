"""The API of products, orders and product lists."""

from __future__ import annotations

from ninja import Router

from kapelle.catalog.api.lists import router as lists
from kapelle.catalog.api.orders import router as orders
from kapelle.catalog.api.products import router as products
from kapelle.catalog.api.settings import router as settings

router = Router(tags=["catalog"])
for part in (products, orders, lists, settings):
    router.add_router("", part)
