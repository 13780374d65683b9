"""What operators may know of their own installation: usage, time and errors, as counts and hashes. Never leaves it.

Counted in the process (`counts`), written every half minute by a thread beside the work (`watching`), kept in two
tables outside any workspace (`store`). Nothing that anybody wrote gets in: no message, no argument, no address.
"""

from __future__ import annotations

from kapelle.kernel.telemetry.counts import BOUNDS, COUNTS, Counts, is_fault, quantile
from kapelle.kernel.telemetry.store import (
    FORGET_OLD_TELEMETRY,
    ErrorLine,
    UseLine,
    flush,
    forget_old_telemetry,
    list_errors,
    list_uses,
)
from kapelle.kernel.telemetry.watching import flush_quietly, watching

__all__ = [
    "BOUNDS",
    "COUNTS",
    "FORGET_OLD_TELEMETRY",
    "Counts",
    "ErrorLine",
    "UseLine",
    "flush",
    "flush_quietly",
    "forget_old_telemetry",
    "is_fault",
    "list_errors",
    "list_uses",
    "quantile",
    "watching",
]
