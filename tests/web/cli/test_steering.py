"""Keys, segments and campaigns are made, changed, paused and ended from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from kapelle.web.cli.campaign_command import command as campaign
from kapelle.web.cli.key_command import command as key
from kapelle.web.cli.segment_command import command as segment

if TYPE_CHECKING:
    import click

    from conftest import Api
    from kapelle.accounts.contracts import WorkspaceInfo


def run(command: click.Group, workspace: WorkspaceInfo, *words: str) -> str:
    done = CliRunner().invoke(command, [words[0], "--workspace", workspace.slug, *words[1:]], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output.strip()


def _rule(city: str) -> dict[str, Any]:
    return {"attribute": "city", "op": "eq", "value": city}


@pytest.mark.parametrize(("words", "basis"), [([], "not_stated"), (["--lawful-basis", "consent"], "consent")])
def test_a_key_is_made_with_its_lawful_basis_or_without(workspace: WorkspaceInfo, words: list[str], basis: str) -> None:
    run(key, workspace, "create", "--name", "site", "--scope", "write", *words)
    assert f"\tsite\t{basis}\t" in run(key, workspace, "list") + "\t"


def test_a_segment_is_changed_and_deleted(workspace: WorkspaceInfo, api: Api) -> None:
    made = run(segment, workspace, "create", "--name", "Bonn", json.dumps(_rule("Bonn")))
    assert run(segment, workspace, "change", made, "--name", "Ulm", "--rule", json.dumps(_rule("Ulm"))) == (
        "Ulm: version 2."
    )
    assert api.get(f"/segments/{made}")["rule"]["value"] == "Ulm"
    assert run(segment, workspace, "delete", made) == "Deleted."
    api.get(f"/segments/{made}", status=404)


def test_a_campaign_that_was_not_sent_cannot_be_paused(workspace: WorkspaceInfo, api: Api) -> None:
    draft = api.post("/campaigns", {"name": "Spring"}, status=201)["id"]
    for word in ("pause", "resume", "cancel"):
        done = CliRunner().invoke(campaign, [word, "--workspace", workspace.slug, draft])
        assert "draft" in str(done.exception)
