"""Every example call of Segment's spec, out of its own pages, arrives whole: common fields, commerce, mobile, video."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from conftest import SHARED
from sdk.conftest import HERE

if TYPE_CHECKING:
    from edge_process import EdgeProcess
    from sdk.conftest import SdkRoad

SPEC = SHARED / "data" / "contracts" / "segment_spec_docs"
KINDS = {"identify", "track", "page", "screen", "group", "alias"}


@pytest.mark.skipif(not SPEC.exists(), reason="the pages of the Segment spec are not on this machine")
def test_every_example_of_the_spec_arrives_whole(
    edge: EdgeProcess, write_secret: str, road: SdkRoad, node: str
) -> None:
    command = [node, str(HERE / "spec_examples.cjs"), str(SPEC)]
    examples = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert len(examples) > 130
    messages = {}
    for number, example in enumerate(examples):
        message = example["message"] | {"messageId": f"{example['where']}#{number}"}
        if not {"userId", "user_id", "anonymousId"} & message.keys():
            message["anonymousId"] = "a-spec"  # the library adds its own
        if message.get("type") == "alias":
            message.setdefault("previousId", "a-spec")
        messages[message["messageId"]] = message
    assert edge.post("/v1/batch", {"batch": list(messages.values())}, key=write_secret).status == 200
    road.project()
    lost = road.rows("SELECT code, message_id FROM quarantined_events WHERE code <> 'attribute_type'")
    sql = "SELECT message_id, kind, name, properties, context FROM events"
    landed = {row[0]: (row[1], row[2], json.loads(row[3]), json.loads(row[4])) for row in road.rows(sql)}
    assert landed.keys() == messages.keys(), lost
    for message_id, message in messages.items():
        _assert_whole(message, *landed[message_id])


def _assert_whole(
    message: dict[str, Any], kind: str, name: str, properties: dict[str, Any], context: dict[str, Any]
) -> None:
    assert kind in {message.get("type"), message.get("action")} & KINDS
    if kind == "track":
        assert (name, properties) == (message["event"].strip(), message.get("properties") or {})
    elif kind in {"page", "screen"}:
        assert (message.get("properties") or {}).items() <= properties.items()
        assert message.get("name") in {None, properties.get("name")}
    elif kind == "identify":
        assert (message.get("traits") or {}).items() <= properties.items()
    elif kind == "group":
        assert properties == {"group_id": message["groupId"], "traits": message.get("traits") or {}}
    for key in ("campaign", "page", "library", "locale", "device"):
        assert (message.get("context") or {}).get(key) in ({}, None, context.get(key)), key
