"""What an event's context tells besides what it says: the device, the place, the way by which the visitor came.

Pure and cached; called while events are decoded. It only adds `context["derived"]`: texts, and only those known.
"""

from __future__ import annotations

from kapelle.events.actions.enriching.derivation import derive
from kapelle.events.actions.enriching.places import shorten_ip

__all__ = ["derive", "shorten_ip"]
