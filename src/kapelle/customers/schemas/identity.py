"""The shapes of rules, merges and reviews of identity in the API."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from ninja import Schema
from pydantic import Field, StringConstraints

from kapelle.customers.actions.deciding import MAX_LOSERS, Decision
from kapelle.customers.actions.rules import MAX_BLOCKED, MAX_PATTERN_LENGTH, MAX_PATTERNS

Value = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PATTERN_LENGTH)]


class RuleIn(Schema, extra="forbid"):
    """What holds for one kind of identifier."""

    kind: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    priority: int = Field(ge=0, le=1_000_000, description="the lower, the stronger: an event goes to its strongest")
    limit: int | None = Field(None, ge=1, le=1_000_000, description="how many one customer may have; null: any number")
    grants_access: bool = Field(True, description="false: several people may share it, so it merges nobody")
    blocked: list[Value] = Field(default_factory=list, max_length=MAX_BLOCKED, description="values that name nobody")
    blocked_patterns: list[Pattern] = Field(
        default_factory=list, max_length=MAX_PATTERNS, description="regular expressions (RE2) for such values, whole"
    )


class RuleOut(RuleIn):
    """A rule; whether it is the default, and whether everybody was worked out anew under it already."""

    is_default: bool
    is_applied: bool


class MergeIn(Schema, extra="forbid"):
    """Who is merged into the customer of the address."""

    customer_ids: list[UUID] = Field(min_length=1, max_length=MAX_LOSERS)
    reason: Annotated[str, StringConstraints(max_length=500)] = ""


class UnmergedOut(Schema):
    """Who stands alone again."""

    customer_id: UUID


class DecisionIn(Schema, extra="forbid"):
    """merge: both are one; keep_apart: they are two, do not ask again; dismiss: neither."""

    decision: Decision
