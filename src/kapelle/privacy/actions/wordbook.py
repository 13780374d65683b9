"""What consent speaks of in a workspace: its topics, brands and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from kapelle.accounts.actions import record_audit
from kapelle.kernel.errors import Conflict, NotFound
from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.models import Brand, PrivacySettings, Topic
from kapelle.privacy.queries.consents import get_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

MAX_TOPICS = 500


def create_topic(*, workspace_id: UUID, fields: Mapping[str, str], actor: str, now: datetime) -> Topic:
    """Raises Conflict for a key that is taken or too many topics, NotFound for an unknown brand."""
    with workspace_scope(workspace_id):
        brand = fields.get("brand", "")
        if brand and not Brand.objects.filter(key=brand).exists():
            raise NotFound(f"There is no brand {brand!r} in this workspace.")
        if Topic.objects.count() >= MAX_TOPICS:
            raise Conflict(f"A workspace has at most {MAX_TOPICS} topics.")
        try:
            with transaction.atomic():
                topic = Topic.objects.create(created_at=now, **fields)
        except IntegrityError as error:
            raise Conflict(f"There is already a topic {fields['key']!r}.") from error
        record_audit(actor=actor, action="topic.created", target=topic.key, now=now)
        return topic


def change_topic(*, workspace_id: UUID, key: str, fields: Mapping[str, Any], actor: str, now: datetime) -> Topic:
    """Raises NotFound. `archived` True or False; what people said of the topic stays as it is."""
    with workspace_scope(workspace_id):
        topic = Topic.objects.select_for_update().filter(key=key).first()
        if topic is None:
            raise NotFound(f"There is no topic {key!r} in this workspace.")
        for name in ("name", "description"):
            if fields.get(name) is not None:
                setattr(topic, name, fields[name])
        if (archived := fields.get("archived")) is not None:
            topic.archived_at = (topic.archived_at or now) if archived else None
        topic.save()
        record_audit(actor=actor, action="topic.changed", target=key, now=now)
        return topic


def create_brand(*, workspace_id: UUID, key: str, name: str, actor: str, now: datetime) -> Brand:
    """Raises Conflict for a key that is taken."""
    with workspace_scope(workspace_id):
        try:
            with transaction.atomic():
                brand = Brand.objects.create(key=key, name=name, created_at=now)
        except IntegrityError as error:
            raise Conflict(f"There is already a brand {key!r}.") from error
        record_audit(actor=actor, action="brand.created", target=key, now=now)
        return brand


def change_settings(
    *, workspace_id: UUID, tracking_needs_consent: bool, categories: Mapping[str, str], actor: str, now: datetime
) -> PrivacySettings:
    """Takes effect with the next batch of events."""
    with workspace_scope(workspace_id):
        settings = get_settings()
        settings.tracking_needs_consent, settings.categories = tracking_needs_consent, dict(categories)
        settings.updated_at = now
        settings.save()
        record_audit(
            actor=actor,
            action="privacy.settings",
            target="workspace",
            now=now,
            tracking_needs_consent=tracking_needs_consent,
        )
        return settings
