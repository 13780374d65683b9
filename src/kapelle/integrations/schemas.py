"""Forms of operations in the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Field, Schema

from kapelle.integrations.contracts import Answer, Definition


class DefinitionIn(Schema):
    """How a body becomes messages."""

    description: str = Field("", max_length=500)
    writes: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Templates of identify, track, page, screen, group calls; `$customer.email` comes from the body.",
    )
    require: list[str] = Field(default_factory=list, max_length=50, description="Paths that a body must have.")
    ids: dict[str, str] = Field(
        default_factory=dict, description="Name of an id in `customer.ids` to the kind of identifier that it is."
    )
    answer: Answer = Answer.CUSTOMER

    def as_definition(self) -> Definition:
        """As the actions take it."""
        return Definition(tuple(self.writes), tuple(self.require), self.ids, self.answer, self.description)


class OperationIn(DefinitionIn):
    """A new operation."""

    name: str = Field(max_length=100)


class OperationOut(Schema):
    """The newest version of a named operation."""

    name: str
    version: int
    definition: DefinitionIn
    changed_at: datetime
    changed_by: str


class TrialIn(Schema):
    """A body to try; without a definition the stored one is taken."""

    body: dict[str, Any]
    device_uuid: str = Field("", max_length=255)
    definition: DefinitionIn | None = None


class NamedBy(Schema):
    """One identifier of whom a call is about."""

    kind: str
    value: str


class TrialOut(Schema):
    """What it would write; `messages` are calls of the collect API. Or what cannot be used."""

    messages: list[dict[str, Any]] = []
    identifiers: list[NamedBy] = []
    validation_messages: list[dict[str, str]] = []
