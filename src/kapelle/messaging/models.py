"""Tables of template versions, mailings, the send ledger, clicks, arming; and `link_targets`, which the edge reads."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from kapelle.kernel.tenancy import CompositeForeignKey, TenantModel
from kapelle.messaging.contracts import MailingState, SendStatus


class TemplateVersion(TenantModel):
    """One wording, never changed: what was written and what it compiled to. Equal wordings are one row."""

    content_hash = models.BinaryField(max_length=32)
    subject = models.TextField()
    preheader = models.TextField(default="")
    mjml = models.TextField()
    text = models.TextField(default="")
    compiled = models.JSONField()
    link_numbers = models.JSONField(default=list)  # of compiled.links, in their order
    created_at = models.DateTimeField()

    class Meta:
        db_table = "template_versions"
        constraints = [
            models.UniqueConstraint(fields=["workspace_id", "content_hash"], name="template_versions_unique"),
            models.UniqueConstraint(fields=["workspace_id", "id"], name="template_versions_workspace_id"),
        ]


class Mailing(TenantModel):
    """One version of a campaign (later: of a scenario step) as the sender sees it."""

    source_kind = models.CharField(max_length=20)
    source_id = models.UUIDField()
    version = models.IntegerField()
    template_version_id = models.UUIDField()
    name = models.TextField()
    channel = models.CharField(max_length=20)
    lane = models.SmallIntegerField()
    from_address = models.CharField(max_length=254, default="")
    from_name = models.CharField(max_length=200, default="")
    reply_to = models.CharField(max_length=254, default="")
    state = models.CharField(max_length=10, default=MailingState.RUNNING)
    is_filled = models.BooleanField(default=False)  # no more rows will be added
    trace = models.JSONField(default=dict)
    topic = models.CharField(max_length=63, default="")  # what its readers must not have refused
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "mailings"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace_id", "source_kind", "source_id", "version"], name="mailings_unique"
            ),
            models.UniqueConstraint(fields=["workspace_id", "id"], name="mailings_workspace_id"),
            CompositeForeignKey(
                name="mailings_template",
                field="template_version_id",
                to_table="template_versions",
                on_delete="RESTRICT",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace_id", "lane"], name="mailings_running", condition=Q(state="running")),
        ]


class SendRow(TenantModel):
    """The send ledger: one row an address and occurrence, written before any provider is called."""

    mailing_id = models.UUIDField()
    source_kind = models.CharField(max_length=20)
    source_id = models.UUIDField()
    version = models.IntegerField()
    occurrence = models.TextField(default="")  # "" for a one-off; the run of something that repeats
    customer_id = models.UUIDField(null=True)  # null for a test send
    channel = models.CharField(max_length=20)
    address = models.TextField(null=True)  # normalised; null where the customer has none of their own
    status = models.CharField(max_length=10, default=SendStatus.QUEUED)
    reason = models.CharField(max_length=60, default="")
    claim_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.SmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    trace = models.JSONField(default=dict)
    queued_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)
    machine_opened_at = models.DateTimeField(null=True)
    clicked_at = models.DateTimeField(null=True)
    machine_clicked_at = models.DateTimeField(null=True)
    unsubscribed_at = models.DateTimeField(null=True)
    bounced_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "sends"
        constraints = [
            # The promise itself: whatever crashes or is called twice, an address has one row an occurrence.
            models.UniqueConstraint(
                fields=["workspace_id", "source_id", "occurrence", "channel", "address"], name="sends_once_an_address"
            ),
            models.UniqueConstraint(
                fields=["workspace_id", "source_id", "occurrence", "channel", "customer_id"],
                name="sends_once_a_customer",
            ),
            CompositeForeignKey(name="sends_mailing", field="mailing_id", to_table="mailings"),
            CompositeForeignKey(name="sends_customer", field="customer_id", to_table="customers", on_delete="SET NULL"),
        ]
        indexes = [
            models.Index(
                fields=["workspace_id", "mailing_id", "next_try_at"],
                name="sends_waiting",
                condition=Q(status__in=[SendStatus.QUEUED, SendStatus.DEFERRED]),
            ),
            models.Index(
                fields=["workspace_id", "lease_until"],
                name="sends_leased",
                condition=Q(status__in=[SendStatus.CLAIMED, SendStatus.HANDING]),
            ),
            models.Index(fields=["workspace_id", "source_id", "id"], name="sends_of_source"),
            models.Index(
                fields=["workspace_id", "customer_id"], name="sends_of_customer", condition=Q(customer_id__isnull=False)
            ),
            models.Index(
                fields=["workspace_id", "address"], name="sends_of_nobody", condition=Q(customer_id__isnull=True)
            ),
        ]


class Click(TenantModel):
    """One hit on one link of one send."""

    source_id = models.UUIDField()
    send_id = models.UUIDField()
    number = models.IntegerField()
    at = models.DateTimeField()
    is_machine = models.BooleanField()

    class Meta:
        db_table = "clicks"
        constraints = [
            models.UniqueConstraint(fields=["workspace_id", "send_id", "number", "at"], name="clicks_unique")
        ]
        indexes = [models.Index(fields=["workspace_id", "source_id"], name="clicks_of_source")]


class SendingEpoch(TenantModel):
    """This database's side of the fence; the other side is a file in KAPELLE_HOME/keys (see actions.arming)."""

    epoch = models.BigIntegerField()
    changed_at = models.DateTimeField()

    class Meta:
        db_table = "sending_epochs"
        constraints = [models.UniqueConstraint(fields=["workspace_id"], name="sending_epochs_unique")]
