"""`kapelle duplicates`: search a workspace for probable duplicates, and list them."""

from __future__ import annotations

import click

from kapelle.accounts.queries import get_workspace
from kapelle.customers.contracts import ProposalStatus
from kapelle.customers.queries.duplicates import Person, list_proposals
from kapelle.customers.tasks.duplicates import find_duplicates
from kapelle.kernel.clock import utc_now
from kapelle.kernel.tenancy import workspace_scope
from kapelle.web.cli.installation import open_installation


@click.group()
def command() -> None:
    """Find customers who are probably one person. Nothing is merged before somebody accepts it."""


@command.command()
@click.option("--workspace", required=True, help="The workspace's short name.")
def find(workspace: str) -> None:
    """Search now and wait for it; it also happens each night."""
    with open_installation():
        run = find_duplicates(workspace_id=get_workspace(workspace).id, clock=utc_now)
        seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at else 0.0
        click.echo(
            f"{run.customers:,} customers compared in {seconds:.1f} s:"
            f" {run.found:,} probable duplicates, {run.proposed:,} of them new."
        )


@command.command("list")
@click.option("--workspace", required=True)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500), help="At most so many.")
@click.option("--min-score", type=float, help="Only those from this score on.")
def list_open(workspace: str, limit: int, min_score: float | None) -> None:
    """List what waits for a decision, the surest first."""
    with open_installation(), workspace_scope(get_workspace(workspace).id):
        found, _ = list_proposals(status=ProposalStatus.OPEN, min_score=min_score, cursor=None, limit=limit)
        for proposal in found:
            click.echo(f"{proposal.id}\t{proposal.score:.1f}\t{' = '.join(map(_line, proposal.customers))}")
            for reason in sorted(proposal.reasons, key=lambda reason: -reason.weight):
                click.echo(f"\t{reason.weight:+.1f}\t{reason.text}")


def _line(person: Person) -> str:
    known = f"{person.first_name} {person.last_name}".strip(), person.email, person.phone, person.city
    return f"{', '.join(text for text in known if text)} ({person.external_id or person.id})"
