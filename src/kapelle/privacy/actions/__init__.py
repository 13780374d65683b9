"""Writes of privacy that other modules use."""

from kapelle.privacy.actions.consents import ConsentChange, record_consents
from kapelle.privacy.actions.personal_data import ConsentData
from kapelle.privacy.actions.personal_rows import PersonalRows
from kapelle.privacy.actions.suppression import lift_unsubscription, suppress_addresses

__all__ = [
    "ConsentChange",
    "ConsentData",
    "PersonalRows",
    "lift_unsubscription",
    "record_consents",
    "suppress_addresses",
]
