"""While two people are one, the strictest consent of both holds; parted again, each has exactly what they had."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Api

SAID = (
    ({"purpose": "analytics"}, "granted", "denied"),
    ({"purpose": "marketing", "channel": "sms"}, "denied", "granted"),
    ({"purpose": "marketing", "channel": "email"}, "granted", "withdrawn"),
    ({"purpose": "advertising"}, "granted", ""),
    ({"purpose": "sale"}, "", "denied"),
)


def holds(api: Api, customer_id: str) -> dict[tuple[str, str], str]:
    return {(one["purpose"], one["channel"]): one["status"] for one in api.get(f"/customers/{customer_id}/consents")}


@pytest.mark.parametrize(("winner", "loser"), permutations((0, 1)))
def test_merging_takes_the_strictest_and_unmerging_gives_back_what_each_had(api: Api, winner: int, loser: int) -> None:
    people = [
        api.call("POST", "/customers", {"email": f"{name}@example.test", "external_id": name}, status=201)["id"]
        for name in ("ann", "bob")
    ]
    said: list[dict[str, Any]] = [
        {**scope, "status": status, "customer_id": person}
        for scope, *statuses in SAID
        for person, status in zip(people, statuses, strict=True)
        if status
    ]
    api.post("/consents", {"consents": said})
    before = [holds(api, person) for person in people]

    api.post(f"/customers/{people[winner]}/merge", {"customer_ids": [people[loser]]})
    assert (
        holds(api, people[0])
        == holds(api, people[1])
        == {
            ("analytics", ""): "denied",
            ("marketing", "sms"): "denied",
            ("marketing", "email"): "withdrawn",
            ("advertising", ""): "granted",
            ("sale", ""): "denied",
        }
    )

    merge = api.get(f"/customers/{people[winner]}/merges")["items"][0]["id"]
    api.post(f"/identity/merges/{merge}/undo")
    assert [holds(api, person) for person in people] == before
