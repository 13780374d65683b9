"""Reads of messaging: the ledger, mailings, and the facts that templates are filled with."""

from kapelle.messaging.queries.facts import find_addresses, find_customer, read_customers, read_products
from kapelle.messaging.queries.mailings import (
    DueMailing,
    LoadedMailing,
    MailingProgress,
    count_mailings,
    find_mailing_states,
    list_due_mailings,
    list_unfilled,
    load_mailing,
)
from kapelle.messaging.queries.sends import PublicSend, find_send, list_sends

__all__ = [
    "DueMailing",
    "LoadedMailing",
    "MailingProgress",
    "PublicSend",
    "count_mailings",
    "find_addresses",
    "find_customer",
    "find_mailing_states",
    "find_send",
    "list_due_mailings",
    "list_sends",
    "list_unfilled",
    "load_mailing",
    "read_customers",
    "read_products",
]
