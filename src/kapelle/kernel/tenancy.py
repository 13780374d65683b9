"""The first wall between workspaces: a scope that every query needs, and models that refuse to work without one.

The second wall is PostgreSQL's row-level security (kernel.row_security), which reads the same scope.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.db import connection, models, transaction
from django.db.models import BaseConstraint

from kapelle.kernel.errors import KapelleError
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# Tables that stand outside row-level security, each with the reason. A test holds the database to this list.
EXEMPT_TABLES = {
    "workspaces": "the list of workspaces itself; read before any scope exists",
    "api_keys": "a key names its workspace; holds hashes only",
    "inbox": "raw bodies; only the edge may insert and only the projector may read",
    "columnar_queue": "work list of the columnar writer; ids only",
    "columnar_state": "one row about the columnar engine; no customer data",
    "link_targets": "where a signed tracking link leads; read by the edge before any scope exists",
    "telemetry_errors": "the installation's own errors: places in the code and counts, nothing that anybody wrote",
    "telemetry_uses": "how often and how long the product's features are used: counts by day only",
    "django_migrations": "Django's own list of applied migrations",
    "procrastinate_*": "job queue; arguments are ids only",
}

_current: ContextVar[UUID | None] = ContextVar("kapelle_workspace", default=None)


class WorkspaceMissing(KapelleError):
    """A query on a workspace's table was made outside `workspace_scope`. This is a bug, never a user's fault."""

    code = "workspace_missing"
    status = 500


def current_workspace() -> UUID:
    """The workspace of the scope we are in; raises WorkspaceMissing outside of one."""
    workspace_id = _current.get()
    if workspace_id is None:
        raise WorkspaceMissing("No workspace scope is open. Wrap the call in kernel.tenancy.workspace_scope().")
    return workspace_id


@contextmanager
def workspace_scope(workspace_id: UUID) -> Iterator[None]:
    """One transaction in which only this workspace's rows exist, for Django's managers and for PostgreSQL alike.

    Scopes nest; the outer one's workspace is put back. On an error the transaction (or savepoint) rolls back,
    and PostgreSQL restores the setting by itself.
    """
    outer = _current.get()
    is_nested = connection.in_atomic_block  # what is set for a transaction ends with it by itself
    with transaction.atomic():
        _set_local(workspace_id)
        token = _current.set(workspace_id)
        try:
            yield
            if is_nested and connection.in_atomic_block and not connection.needs_rollback:
                _set_local(outer)
        finally:
            _current.reset(token)


def _set_local(workspace_id: UUID | None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('kapelle.workspace', %s, true)", [str(workspace_id or "")])


ModelT_co = TypeVar("ModelT_co", bound=models.Model, covariant=True)


class TenantManager(models.Manager[ModelT_co]):
    """Sees the rows of the open scope's workspace; raises WorkspaceMissing when there is no scope."""

    def get_queryset(self) -> models.QuerySet[ModelT_co]:
        return super().get_queryset().filter(workspace_id=current_workspace())


class TenantModel(models.Model):
    """A row that belongs to one workspace. `objects` fails closed; `unscoped` is for the few named loops."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace_id = models.UUIDField(default=current_workspace, editable=False)

    objects = TenantManager()
    unscoped = models.Manager()

    class Meta:
        abstract = True


class CompositeForeignKey(BaseConstraint):
    """`(workspace_id, <field>)` must exist in `<to_table>`: a neighbour's id is refused by the database itself.

    The target needs a unique constraint over (workspace_id, id). `on_delete` is SQL: CASCADE, SET NULL, RESTRICT.
    """

    def __init__(self, *, name: str, field: str, to_table: str, on_delete: str = "CASCADE") -> None:
        super().__init__(name=name)
        self.field = field
        self.to_table = to_table
        self.on_delete = on_delete

    def _clause(self) -> str:
        # SET NULL must name its column: workspace_id itself is never null.
        action = f'SET NULL ("{self.field}")' if self.on_delete == "SET NULL" else self.on_delete
        return (
            f'CONSTRAINT "{self.name}" FOREIGN KEY (workspace_id, "{self.field}") '
            f'REFERENCES "{self.to_table}" (workspace_id, id) ON DELETE {action} DEFERRABLE INITIALLY IMMEDIATE'
        )

    def constraint_sql(self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> str:
        return self._clause()

    def create_sql(self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> str:
        table = model._meta.db_table if model else ""
        return f'ALTER TABLE "{table}" ADD {self._clause()}'

    def remove_sql(self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> str:
        table = model._meta.db_table if model else ""
        return f'ALTER TABLE "{table}" DROP CONSTRAINT "{self.name}"'

    def validate(self, *args: Any, **kwargs: Any) -> None:
        """PostgreSQL checks it; there is nothing to ask beforehand."""

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "field": self.field, "to_table": self.to_table, "on_delete": self.on_delete}

    def clone(self) -> Self:
        return type(self)(name=self.name, field=self.field, to_table=self.to_table, on_delete=self.on_delete)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CompositeForeignKey) and self.deconstruct() == other.deconstruct()

    def __hash__(self) -> int:
        return hash((self.name, self.field, self.to_table, self.on_delete))
