"""Consent as customers give it: read out of events, said by staff and shops, and what tracking does about it."""

from kapelle.customers.actions.consents.changing import Said, change_consents
from kapelle.customers.actions.consents.gate import FirstVisitGate, TrackingGate
from kapelle.customers.actions.consents.hearing import ConsentEar
from kapelle.customers.actions.consents.reading import NAMES as CONSENT_EVENTS

__all__ = ["CONSENT_EVENTS", "ConsentEar", "FirstVisitGate", "Said", "TrackingGate", "change_consents"]
