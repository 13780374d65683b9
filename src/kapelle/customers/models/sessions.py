"""Tables of sessions: the visits of each device, and how far events were put into them."""

from __future__ import annotations

from django.db import models

from kapelle.kernel.tenancy import TenantModel


class Session(TenantModel):
    """What one device did under one origin without a longer pause. `id` is that of its first event.

    Texts that are not known are "". What a visit began with (address, referrer, way, place, programs) stays.
    """

    origin_id = models.UUIDField()
    device = models.CharField(max_length=16)  # hash of its anonymous id
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()  # of its last event
    events = models.IntegerField()
    pages = models.IntegerField()
    first_url = models.TextField()
    last_url = models.TextField()
    referrer = models.TextField()
    source = models.TextField()
    channel = models.TextField()
    utm_source = models.TextField()
    utm_medium = models.TextField()
    utm_campaign = models.TextField()
    click_id = models.TextField()
    country = models.TextField()
    city = models.TextField()
    device_type = models.TextField()
    os = models.TextField()
    browser = models.TextField()
    is_logged_in = models.BooleanField()  # at some time of it

    class Meta:
        db_table = "sessions"
        indexes = [models.Index(fields=["workspace_id", "origin_id", "-started_at"], name="sessions_of_origin")]


class SessionProgress(TenantModel):
    """The last batch of the workspace whose events were put into sessions."""

    batch_id = models.BigIntegerField()

    class Meta:
        db_table = "session_progress"
        constraints = [models.UniqueConstraint(fields=["workspace_id"], name="session_progress_unique")]
