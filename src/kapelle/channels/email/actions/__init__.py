"""What can be done with e-mail: keep the account, compose a mail, hand it over."""

from kapelle.channels.email.actions.account import note_trouble, save_account
from kapelle.channels.email.actions.compose import Composer, Envelope
from kapelle.channels.email.actions.deliver import SmtpChannel

__all__ = ["Composer", "Envelope", "SmtpChannel", "note_trouble", "save_account"]
