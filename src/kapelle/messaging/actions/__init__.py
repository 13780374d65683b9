"""Writes of messaging."""

from kapelle.messaging.actions.arming import Disarmed, arm, check_armed, doubt
from kapelle.messaging.actions.ledger import (
    Claimed,
    begin_handing,
    claim_sends,
    fill_mailing,
    fill_test,
    recover_leases,
)
from kapelle.messaging.actions.mailings import create_mailing, finish_mailings, mark_filled, set_mailing_state
from kapelle.messaging.actions.press import Press, Preview, Recipient, make_keys, preview_mail, view_mail
from kapelle.messaging.actions.receipts import ReceiptGate, ReceiptProjection, ReceiptResolver
from kapelle.messaging.actions.recording import record_results
from kapelle.messaging.actions.subscription import resubscribe, unsubscribe
from kapelle.messaging.actions.versions import number_links, save_template_version

__all__ = [
    "Claimed",
    "Disarmed",
    "Press",
    "Preview",
    "ReceiptGate",
    "ReceiptProjection",
    "ReceiptResolver",
    "Recipient",
    "arm",
    "begin_handing",
    "check_armed",
    "claim_sends",
    "create_mailing",
    "doubt",
    "fill_mailing",
    "fill_test",
    "finish_mailings",
    "make_keys",
    "mark_filled",
    "number_links",
    "preview_mail",
    "record_results",
    "recover_leases",
    "resubscribe",
    "save_template_version",
    "set_mailing_state",
    "unsubscribe",
    "view_mail",
]
