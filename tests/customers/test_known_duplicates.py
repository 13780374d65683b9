"""Records of which it is known who is one person, through the whole of the product's search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kapelle.customers.tasks.duplicates import find_duplicates
from kapelle.kernel.clock import utc_now
from known_duplicates import Known, exact_pairs, febrl, fit, load, made_shoppers, proposed

if TYPE_CHECKING:
    from pathlib import Path

    from kapelle.accounts.contracts import WorkspaceInfo

NAME_AND_BIRTH_DATE = ("first_name", "last_name", "birth_date")

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    ("known", "precision", "recall"),
    [
        (febrl(1), 0.99, 0.99),
        (febrl(2), 0.99, 0.99),
        (febrl(3), 0.99, 0.99),
        (febrl(4), 0.99, 0.99),
        (febrl(3, social=False), 0.99, 0.98),
        (made_shoppers(10_000), 0.8, 0.55),
    ],
    ids=lambda value: value.name if isinstance(value, Known) else "",
)
def test_the_proposals_are_those_that_are_known(
    known: Known, precision: float, recall: float, workspace: WorkspaceInfo, tmp_path: Path
) -> None:
    load(known, workspace, tmp_path, utc_now)
    find_duplicates(workspace_id=workspace.id, clock=utc_now)
    found = fit((link for _, link in proposed(workspace)), known.links)
    simple = fit(exact_pairs(known, NAME_AND_BIRTH_DATE), known.links)
    assert found.precision >= precision, found
    assert found.recall >= recall, found
    assert found.f1 > simple.f1
