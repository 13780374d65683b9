"""What a customer said of consent, and what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.customers.models import Identifier
from kapelle.customers.queries.contacts import as_contacts
from kapelle.customers.queries.lookups import MAX_ORIGINS, origins_of, resolve_customer
from kapelle.privacy.contracts import ConsentState, Scope, judge
from kapelle.privacy.queries import list_entries, list_states

if TYPE_CHECKING:
    from uuid import UUID

    from kapelle.privacy.models import ConsentEntry


def list_customer_consents(customer_id: UUID) -> list[tuple[Scope, ConsentState]]:
    """For each scope of which anything was said, what holds: the strictest of all holders. Raises NotFound."""
    home = resolve_customer(customer_id)
    states = list_states(_contacts(home), origins_of(home))
    verdicts = [(asked, judge(states, asked)) for asked in sorted({state.scope for state in states})]
    return [(asked, verdict) for asked, verdict in verdicts if verdict]


def list_customer_entries(customer_id: UUID, cursor: str | None, limit: int) -> tuple[list[ConsentEntry], str | None]:
    """A page of the ledger, newest first; raises NotFound."""
    home = resolve_customer(customer_id)
    return list_entries(_contacts(home), origins_of(home), cursor, limit)


def _contacts(home: UUID) -> list[tuple[str, str]]:
    names = Identifier.objects.filter(customer_id=home).values_list("kind", "value")
    return as_contacts(names[:MAX_ORIGINS])
