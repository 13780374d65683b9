"""Keeps, changes, pauses and queues sources, and says when one is looked at next. Looking is in `source_running`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from django.db import IntegrityError, transaction
from procrastinate.contrib.django import app

from kapelle.accounts.actions import record_audit
from kapelle.accounts.contracts import LawfulBasis, check_origin
from kapelle.accounts.queries import get_workspace_by_id
from kapelle.imports.actions.encodings import check_encoding
from kapelle.imports.actions.mapping import decode_mapping
from kapelle.imports.actions.values import get_zone
from kapelle.imports.contracts import get_importer
from kapelle.imports.contracts.sources import HttpPlace, Place, S3Place, SourceInfo, SourceInvalid
from kapelle.imports.models import ImportSource
from kapelle.imports.queries.sources import KEK_NAME, MAX_SOURCES, find_source, secret_aad, source_info
from kapelle.kernel import config as kernel_config
from kapelle.kernel.crypto import encrypt
from kapelle.kernel.errors import Conflict
from kapelle.kernel.http import default_client
from kapelle.kernel.ids import uuid7
from kapelle.kernel.secrets import secret_bytes
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from uuid import UUID

SOURCE_TASK = "imports.source"
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_MAX_HOURS = 24 * 31
_LEASE = timedelta(minutes=15)  # a look whose process died is made again after that
_RETRY = timedelta(minutes=5)  # after the first failure; doubled by each further one
_FIELDS = (
    "name", "kind", "place", "pattern", "every_hours", "daily_at", "mapping", "encoding", "delimiter", "origin",
    "lawful_basis", "is_paused",
)  # fmt: skip


def create_source(*, workspace_id: UUID, now: datetime, actor: str, secret: str = "", **fields: Any) -> SourceInfo:
    """Keep a source; it is looked at as soon as a worker is free. Raises SourceInvalid, UrlRefused, Conflict."""
    with workspace_scope(workspace_id):
        if ImportSource.objects.count() >= MAX_SOURCES:
            raise Conflict(f"A workspace has at most {MAX_SOURCES} sources. Remove some.")
        row = ImportSource(id=uuid7(), workspace_id=workspace_id, created_at=now, actor=actor, next_run_at=now)
        return _save(row, fields, secret, "source.created", now=now, actor=actor)


def change_source(
    *, workspace_id: UUID, source_id: UUID, now: datetime, actor: str, secret: str | None = None, **fields: Any
) -> SourceInfo:
    """Change what is given; `secret` None keeps the one there is. Raises NotFound, SourceInvalid, UrlRefused."""
    with workspace_scope(workspace_id):
        row = find_source(source_id, lock=True)
        # A secret never goes to a place that it was not entered for.
        if fields.get("place", row.place) != row.place and row.secret and secret is None:
            raise SourceInvalid("The place has changed: enter the secret again, or an empty one.")
        return _save(row, fields, secret, "source.changed", now=now, actor=actor)


def delete_source(*, workspace_id: UUID, source_id: UUID, now: datetime, actor: str) -> None:
    """Forget the source, its secret and its history; the imports it made stay. Raises NotFound."""
    with workspace_scope(workspace_id):
        row = find_source(source_id, lock=True)
        record_audit(actor=actor, action="source.deleted", target=str(source_id), now=now, name=row.name)
        row.delete()


def _save(
    row: ImportSource, fields: dict[str, Any], secret: str | None, action: str, *, now: datetime, actor: str
) -> SourceInfo:
    before = row.every_hours, row.daily_at, row.is_paused
    for name in _FIELDS:
        if name in fields:
            setattr(row, name, fields[name])
    _check(row)
    if secret is not None:
        kek = secret_bytes(kernel_config.load(), KEK_NAME)
        row.secret = encrypt(kek, secret.encode(), aad=secret_aad(row)) if secret else b""
    if action == "source.changed" and before != (row.every_hours, row.daily_at, row.is_paused):
        row.next_run_at = next_run(row, now=now)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise Conflict(f"There is already a source {row.name!r}.") from error
    details = {"name": row.name, "place": row.place, "lawful_basis": row.lawful_basis, "is_paused": row.is_paused}
    record_audit(actor=actor, action=action, target=str(row.id), now=now, **details)
    return source_info(row)


def _check(row: ImportSource) -> None:
    """Raises SourceInvalid with the field, UrlRefused."""
    if not row.name.strip():
        raise SourceInvalid("name must not be empty.", field="name")
    _check_grounds(row)
    if bool(row.every_hours) == bool(row.daily_at):
        raise SourceInvalid("Give either every_hours or daily_at.", field="every_hours")
    if row.every_hours and not 1 <= row.every_hours <= _MAX_HOURS:
        raise SourceInvalid(f"every_hours is from 1 to {_MAX_HOURS}.", field="every_hours")
    if row.daily_at and not _TIME.fullmatch(row.daily_at):
        raise SourceInvalid("daily_at is a time such as 06:30, in the workspace's time zone.", field="daily_at")
    if row.encoding:
        row.encoding = check_encoding(row.encoding)
    if row.mapping is not None:
        decode_mapping(row.mapping)
    try:
        place = msgspec.convert(row.place, Place)
    except msgspec.ValidationError as error:
        raise SourceInvalid(f"The place cannot be used: {error}.", field="place") from error
    if isinstance(place, HttpPlace):
        default_client().check_url(place.url)
    elif isinstance(place, S3Place):
        default_client().check_url(place.endpoint)
    elif not re.fullmatch(r"(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( .*)?", place.host_key.strip()):
        raise SourceInvalid("host_key is the server's public key, as `ssh-keyscan HOST` prints it.", field="place")
    row.place = msgspec.to_builtins(place)


def _check_grounds(row: ImportSource) -> None:
    row.origin = check_origin(row.origin)
    if row.lawful_basis not in set(LawfulBasis):
        raise SourceInvalid(f"lawful_basis is one of: {', '.join(LawfulBasis)}.", field="lawful_basis")
    stated = {"origin": row.origin != "", "lawful_basis": row.lawful_basis != LawfulBasis.NOT_STATED}
    for field, is_stated in stated.items():
        if not is_stated and get_importer(row.kind).brings_people:
            raise SourceInvalid(f"{field} must be stated: these files make profiles of people.", field=field)


def next_run(row: ImportSource, *, now: datetime) -> datetime | None:
    """When the source is looked at after now; None while it is paused. After failures sooner than its schedule says."""
    if row.is_paused:
        return None
    if row.every_hours:
        regular = now + timedelta(hours=row.every_hours)
    else:
        zone = get_zone(get_workspace_by_id(row.workspace_id).timezone)
        hour, minute = map(int, row.daily_at.split(":"))
        local = now.astimezone(zone)
        today = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        regular = (today if today > local else today + timedelta(days=1)).astimezone(UTC)
    return min(regular, now + _RETRY * 2 ** min(row.failures - 1, 10)) if row.failures else regular


def take_turn(*, workspace_id: UUID, source_id: UUID, now: datetime) -> bool:
    """Claim a due source for a while, so that only one worker is sent to it."""
    with workspace_scope(workspace_id):
        due = ImportSource.objects.filter(id=source_id, is_paused=False, next_run_at__lte=now)
        if not due.update(next_run_at=now + _LEASE):
            return False
        queue_source(workspace_id=workspace_id, source_id=source_id)
        return True


def queue_source(*, workspace_id: UUID, source_id: UUID) -> None:
    """Have a worker of the role `jobs` look at it now. Safe to call twice: it is looked at once at a time."""
    app.configure_task(SOURCE_TASK, queue="default").defer(workspace_id=str(workspace_id), source_id=str(source_id))
