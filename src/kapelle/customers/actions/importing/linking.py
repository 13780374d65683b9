"""Hands rows that name several customers, or new identifiers of a known one, to identity: one set of rules for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.customers.actions.resolving import resolve_facts
from kapelle.customers.contracts import MAIN_COLUMNS, Fact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kapelle.customers.actions.importing.drafts import CustomerDraft
    from kapelle.events.contracts import OpenBatch


def link_drafts(batch: OpenBatch, drafts: Sequence[CustomerDraft]) -> None:
    """Link or merge what each draft names together. Identifiers that belong to somebody else are dropped from it."""
    facts = [
        Fact(draft.identifiers, draft.as_of, f"{batch.source}:{place:09}", batch.source)
        for place, draft in enumerate(drafts)
    ]
    resolve_facts(batch, facts)
    for draft, fact in zip(drafts, facts, strict=True):
        for kind, _ in set(draft.identifiers) - set(fact.identifiers):
            draft.fields.pop(MAIN_COLUMNS.get(kind, ""), None)
        draft.identifiers = fact.identifiers
