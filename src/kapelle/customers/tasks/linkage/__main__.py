"""`python -m kapelle.customers.tasks.linkage OPTIONS`: reads customers.csv, writes pairs.jsonl and figures.json.

All three stand in one folder, where DuckDB may also put what does not fit into memory.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import msgspec

from kapelle.customers.tasks.linkage.model import MODEL
from kapelle.customers.tasks.linkage.options import FIGURES, PAIRS, SOURCE, Options
from kapelle.customers.tasks.linkage.records import load
from kapelle.customers.tasks.linkage.scoring import score


def main(text: str) -> None:
    """One run, start to end."""
    options = msgspec.json.decode(text, type=Options)
    folder = Path(options.folder)
    with (folder / SOURCE).open(encoding="utf-8", newline="") as lines:
        records = load(lines)
    scored = score(records, options)
    encode = msgspec.json.encode
    with (folder / PAIRS).open("wb") as file:
        for pair in scored.pairs:
            file.write(encode((pair.one, pair.other, pair.weight, pair.reasons)) + b"\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    figures = {**scored.figures, "found": len(scored.pairs), "model": MODEL, "peak_mb": peak}
    (folder / FIGURES).write_bytes(encode(figures))


if __name__ == "__main__":
    main(sys.argv[1])
