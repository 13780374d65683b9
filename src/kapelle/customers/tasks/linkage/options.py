"""What the linkage program is told, and the names of its files. Loaded by the caller as well, so it stays light."""

from __future__ import annotations

import msgspec

SOURCE, PAIRS, FIGURES = "customers.csv", "pairs.jsonl", "figures.json"

# What stands in SOURCE, in this order, as COPY … CSV writes it. Texts not known are "", attributes a JSON object.
COLUMNS = (
    "id", "first_name", "middle_name", "last_name", "birth_date", "gender", "email", "phone", "city", "region",
    "attributes",
)  # fmt: skip


class Options(msgspec.Struct, frozen=True):
    """Bounds of one run."""

    folder: str
    threshold: float
    """Bits for one person (0: as likely as not) from which a pair is told."""
    limit: int
    """Pairs at most, the best ones."""
    memory: str = "1GB"
    threads: int = 2
