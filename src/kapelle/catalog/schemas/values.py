"""Values that all of the catalog's JSON shares."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Annotated, Any

from ninja import Field
from pydantic import AfterValidator


def _storable(value: Any) -> Any:
    """PostgreSQL keeps no zero byte, neither in text nor in JSON."""
    if "\\u0000" in json.dumps(value, default=str):
        raise ValueError("a zero byte cannot be stored")
    return value


Text = Annotated[str, Field(max_length=1000), AfterValidator(_storable)]
LongText = Annotated[str, Field(max_length=20_000), AfterValidator(_storable)]
Word = Annotated[str, Field(max_length=60), AfterValidator(_storable)]
Name = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_storable)]
Facts = Annotated[dict[str, Any], AfterValidator(_storable)]
Identifiers = Annotated[dict[str, str], AfterValidator(_storable)]
Money = Annotated[Decimal, Field(max_digits=18, decimal_places=4)]
Amount = Annotated[Money, Field(ge=0)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
