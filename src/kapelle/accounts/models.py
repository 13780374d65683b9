"""Tables of workspaces, keys, the audit log and remembered answers."""

from __future__ import annotations

from django.db import models

from kapelle.accounts.contracts import KeepIp, LawfulBasis, Scope
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import TenantModel


class Workspace(models.Model):
    """A brand's project: the border of all data."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=200)
    timezone = models.CharField(max_length=63, default="UTC")
    currency = models.CharField(max_length=3, default="EUR")
    keep_ip = models.CharField(max_length=10, choices=[(kept, kept) for kept in KeepIp], default=KeepIp.TRUNCATED)
    session_idle_minutes = models.PositiveSmallIntegerField(default=30)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "workspaces"


class ApiKey(TenantModel):
    """A key's hash. Looked up before any scope exists, so the table is exempt from row-level security."""

    name = models.CharField(max_length=200)
    scope = models.CharField(max_length=10, choices=[(scope, scope) for scope in Scope])
    prefix = models.CharField(max_length=12)
    secret_hash = models.BinaryField(max_length=32, unique=True)
    lawful_basis = models.CharField(
        max_length=20, choices=[(basis, basis) for basis in LawfulBasis], default=LawfulBasis.NOT_STATED
    )
    origin = models.TextField(default="")  # where the data that come in by it are from, in words
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "api_keys"
        indexes = [models.Index(fields=["workspace_id", "-created_at"], name="api_keys_recent")]


class AuditEntry(TenantModel):
    """One act on the workspace's data: who, what, on which thing, when."""

    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=100)
    target = models.CharField(max_length=200)
    details = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        db_table = "audit_log"
        indexes = [models.Index(fields=["workspace_id", "-at"], name="audit_log_recent")]


class IdempotencyKey(TenantModel):
    """The first answer to a write that carried an Idempotency-Key, to be given again word for word."""

    key = models.CharField(max_length=255)
    request_hash = models.BinaryField(max_length=32)
    status = models.SmallIntegerField(null=True)
    content_type = models.CharField(max_length=100, default="")
    body = models.BinaryField(default=bytes)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "idempotency_keys"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "key"], name="idempotency_keys_unique")]
