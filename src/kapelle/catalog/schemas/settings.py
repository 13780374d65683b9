"""The JSON of the catalog's settings."""

from __future__ import annotations

from ninja import Schema
from pydantic import Field


class CatalogSettingsOut(Schema):
    """The workspace's choices."""

    order_empties_cart: bool = Field(description="What was ordered leaves the cart.")
    withdraw_limit: float = Field(description="A feed that lacks a larger share of its products is not believed.")
    change_days: int = Field(description="How long changes of products are kept.")


class CatalogSettingsIn(Schema, extra="forbid"):
    """What to change; what is left out stays."""

    order_empties_cart: bool | None = None
    withdraw_limit: float | None = Field(None, ge=0, le=1)
    change_days: int | None = Field(None, ge=1, le=3650)
