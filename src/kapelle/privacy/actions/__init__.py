"""Writes of privacy that other modules use."""

from kapelle.privacy.actions.consents import ConsentChange, record_consents
from kapelle.privacy.actions.erasing import erase_next, preview_erasure, request_erasure
from kapelle.privacy.actions.mentions import mention_pattern
from kapelle.privacy.actions.personal_data import AnswerData, ConsentData
from kapelle.privacy.actions.personal_rows import PersonalRows, change_rows, delete_mentions, stream_rows
from kapelle.privacy.actions.replaying import find_unknown_erasures, replay_erasures
from kapelle.privacy.actions.suppression import lift_unsubscription, suppress_addresses

__all__ = [
    "AnswerData",
    "ConsentChange",
    "ConsentData",
    "PersonalRows",
    "change_rows",
    "delete_mentions",
    "erase_next",
    "find_unknown_erasures",
    "lift_unsubscription",
    "mention_pattern",
    "preview_erasure",
    "record_consents",
    "replay_erasures",
    "request_erasure",
    "stream_rows",
    "suppress_addresses",
]
