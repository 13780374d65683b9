"""What stands ready in the demo: an e-mail account, a segment, a campaign in draft."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.campaigns.actions import create_campaign
from kapelle.channels.email.actions import save_account
from kapelle.channels.email.contracts import TlsMode
from kapelle.kernel.errors import Conflict
from kapelle.segments.actions import create_segment

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

ACTOR = "demo"
FROM_ADDRESS = "grocer@example.test"
RULE = {
    "and": [
        {"orders": "count", "op": "gte", "value": 3, "within": {"days": 30}},
        {"attribute": "email", "op": "exists"},
    ]
}
MJML = """<mjml>
  <mj-body>
    <mj-section>
      <mj-column>
        <mj-text font-size="22px">Hello {{ customer.first_name | default: "there" }},</mj-text>
        <mj-text>you came by often this month. This is what others like you took home:</mj-text>
      </mj-column>
    </mj-section>
    <mj-section>
      {% assign favorites = "top" | products: 3 %}{% for product in favorites %}
      <mj-column>
        <mj-text align="center"><strong>{{ product.name }}</strong></mj-text>
        <mj-button href="https://shop.example.test/products/{{ product.external_id }}">Have a look</mj-button>
      </mj-column>
      {% endfor %}
    </mj-section>
    <mj-section>
      <mj-column>
        <mj-text font-size="12px"><a href="{{ unsubscribe_url }}">Unsubscribe</a></mj-text>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>"""


def point_email_at(*, workspace_id: UUID, port: int, now: datetime) -> None:
    """Send the demo's mail to the demo's own server."""
    save_account(
        workspace_id=workspace_id,
        host="127.0.0.1",
        port=port,
        tls=TlsMode.NONE,
        from_address=FROM_ADDRESS,
        from_name="The Grocer (demo)",
        now=now,
        actor=ACTOR,
    )


def make_examples(*, workspace_id: UUID, now: datetime) -> None:
    """One segment and one draft, once."""
    try:
        segment = create_segment(
            workspace_id=workspace_id, name="Came three times in 30 days", rule=RULE, now=now, actor=ACTOR
        )
    except Conflict:
        return  # it is there already
    create_campaign(
        workspace_id=workspace_id,
        fields={
            "name": "Thank you for coming by",
            "segment_id": segment.id,
            "subject": "{{ customer.first_name }}, thank you for coming by",
            "preheader": "Three things that others like you took home",
            "mjml": MJML,
        },
        now=now,
        actor=ACTOR,
    )
