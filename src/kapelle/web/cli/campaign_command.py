"""`kapelle campaign`: create, preview, test, send and read campaigns; arm sending after a restore."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

import click

from kapelle.accounts.queries import get_workspace
from kapelle.campaigns.actions import create_campaign, parts_of, send_test, start_campaign, steer_campaign
from kapelle.campaigns.queries import get_campaign, list_campaigns, read_report
from kapelle.kernel.clock import utc_now
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.actions import arm as arm_sending
from kapelle.messaging.actions import preview_mail
from kapelle.messaging.contracts import MailingState
from kapelle.messaging.queries import find_customer
from kapelle.web.cli.installation import open_installation

if TYPE_CHECKING:
    from uuid import UUID

_ACTOR = "cli"
_workspace = click.option("--workspace", required=True, help="The workspace's short name.")
_for_whom = click.option("--as", "identifier", help="Whose facts to use, such as email:ann@example.test.")


@click.group()
def command() -> None:
    """Create, preview, test, send, pause and read campaigns."""


@command.command()
@_workspace
@click.option("--name", required=True)
@click.option("--segment", type=click.UUID, help="The id of the segment; see `kapelle segment list`.")
@click.option("--subject", required=True)
@click.option("--preheader", default="")
@click.option("--mjml", type=click.File(encoding="utf-8"), required=True, help="The template, MJML with Liquid.")
@click.option("--text", type=click.File(encoding="utf-8"), help="The text part; made from the template without it.")
def create(
    workspace: str, name: str, segment: UUID | None, subject: str, preheader: str, mjml: TextIO, text: TextIO | None
) -> None:
    """Make a draft and print its id."""
    fields = {
        "name": name,
        "segment_id": segment,
        "subject": subject,
        "preheader": preheader,
        "mjml": mjml.read(),
        "text": text.read() if text else "",
    }
    with open_installation():
        info = create_campaign(workspace_id=get_workspace(workspace).id, fields=fields, now=utc_now(), actor=_ACTOR)
        click.echo(info.id)


@command.command()
@_workspace
@_for_whom
@click.option("--html", is_flag=True, help="Print the HTML instead of the text part.")
@click.argument("campaign_id", type=click.UUID)
def preview(workspace: str, identifier: str | None, html: bool, campaign_id: UUID) -> None:
    """Show CAMPAIGN_ID as one customer would see it."""
    with open_installation():
        info = get_workspace(workspace)
        with workspace_scope(info.id):
            campaign = get_campaign(campaign_id)
            mail = preview_mail(
                workspace_id=info.id,
                source_id=campaign.id,
                name=campaign.name,
                parts=parts_of(campaign),
                customer_id=find_customer(customer_id=None, identifier=identifier),
            )
    for warning in mail.warnings:
        click.echo(f"note: {warning}", err=True)
    click.echo(mail.html if html else f"Subject: {mail.subject}\n\n{mail.text}")


@command.command()
@_workspace
@_for_whom
@click.option("--to", multiple=True, required=True, help="An address; may be given up to 20 times.")
@click.argument("campaign_id", type=click.UUID)
def test(workspace: str, identifier: str | None, to: tuple[str, ...], campaign_id: UUID) -> None:
    """Really send CAMPAIGN_ID to a few addresses; it does not count in the report."""
    with open_installation():
        info = get_workspace(workspace)
        with workspace_scope(info.id):
            customer_id = find_customer(customer_id=None, identifier=identifier)
        ids = send_test(
            workspace_id=info.id,
            campaign_id=campaign_id,
            addresses=to,
            render_as=customer_id,
            now=utc_now(),
            actor=_ACTOR,
        )
        click.echo(f"{len(ids)} test mails are queued; the sender takes them within a second.")


@command.command()
@_workspace
@click.argument("campaign_id", type=click.UUID)
def send(workspace: str, campaign_id: UUID) -> None:
    """Send CAMPAIGN_ID to everybody who is in its segment now. Called twice it sends once."""
    with open_installation():
        info = start_campaign(
            workspace_id=get_workspace(workspace).id, campaign_id=campaign_id, now=utc_now(), actor=_ACTOR
        )
        click.echo(f"{info.name}: {info.state.value}. `kapelle campaign report` shows how far it is.")


@command.command()
@_workspace
@click.argument("campaign_id", type=click.UUID)
def pause(workspace: str, campaign_id: UUID) -> None:
    """Stop handing over mails of CAMPAIGN_ID; what is on the wire at this moment still goes."""
    _steer(workspace, campaign_id, MailingState.PAUSED)


@command.command()
@_workspace
@click.argument("campaign_id", type=click.UUID)
def resume(workspace: str, campaign_id: UUID) -> None:
    """Go on with CAMPAIGN_ID."""
    _steer(workspace, campaign_id, MailingState.RUNNING)


@command.command()
@_workspace
@click.argument("campaign_id", type=click.UUID)
def cancel(workspace: str, campaign_id: UUID) -> None:
    """Stop CAMPAIGN_ID for good: what was not handed over is skipped."""
    _steer(workspace, campaign_id, MailingState.CANCELED)


def _steer(workspace: str, campaign_id: UUID, state: MailingState) -> None:
    with open_installation():
        info = steer_campaign(
            workspace_id=get_workspace(workspace).id, campaign_id=campaign_id, state=state, now=utc_now(), actor=_ACTOR
        )
        click.echo(f"{info.name}: {info.state.value}.")


@command.command()
@_workspace
@click.argument("campaign_id", type=click.UUID)
def report(workspace: str, campaign_id: UUID) -> None:
    """Print what came of CAMPAIGN_ID so far."""
    with open_installation(), workspace_scope(get_workspace(workspace).id):
        facts = read_report(campaign_id, now=utc_now())
    click.echo(f"state         {facts['state']}")
    for name in ("recipients", "queued", "sent", "delivered", "bounced", "failed", "unknown"):
        click.echo(f"{name:13} {facts[name]}")
    for reason, count in facts["skipped"].items():
        click.echo(f"skipped       {count} ({reason})")
    for name in ("opened", "clicked"):
        click.echo(f"{name:13} {facts[name]['human']} ({facts[name]['machine']} by machines)")
    click.echo(f"unsubscribed  {facts['unsubscribed']}")
    money = ", ".join(f"{item['amount']} {item['currency']}" for item in facts["revenue"]) or "0"
    click.echo(f"orders        {facts['orders']} for {money} within {facts['goal_days']} days of a click")
    for link in facts["links"]:
        click.echo(f"link          {link['unique']} people, {link['clicks']} clicks  {link['url']}")


@command.command("list")
@_workspace
@click.option("--limit", default=50, show_default=True)
def list_all(workspace: str, limit: int) -> None:
    """List campaigns, newest first."""
    with open_installation(), workspace_scope(get_workspace(workspace).id):
        items, _ = list_campaigns(cursor=None, limit=limit)
    for item in items:
        click.echo(f"{item.id}\t{item.state.value}\t{item.name}")


@command.command()
@_workspace
def arm(workspace: str) -> None:
    """Let a restored database send again. First look at what was sent since the backup."""
    with open_installation():
        arm_sending(workspace_id=get_workspace(workspace).id, now=utc_now(), actor=_ACTOR)
        click.echo("Armed: the sender goes on within a second.")
