"""Writes of privacy that other modules use."""

from kapelle.privacy.actions.personal_rows import PersonalRows
from kapelle.privacy.actions.suppression import lift_unsubscription, suppress_addresses

__all__ = ["PersonalRows", "lift_unsubscription", "suppress_addresses"]
