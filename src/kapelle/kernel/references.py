"""References between hot tables that are checked once a statement instead of once a row.

PostgreSQL's own foreign keys start a query for each row: 4 to 6 µs, locks on the parents and their WAL included; an
imported customer paid 55 of its 130 µs for them. The promise is the same, kept by triggers that see all rows of a
statement. They lock no parents: whoever writes or removes rows of both tables must hold the workspace's lock
(`events.actions.open_batch`, ADR 0005), and ids must never change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.kernel.tenancy import CompositeForeignKey

if TYPE_CHECKING:
    from django.db import models
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# Planned anew for each statement (50 µs), for which it must have a parameter, `whole`: a plan made while the table was
# small would be kept for the session. OFFSET 0: the right index is probed, whatever is known of a young table.
_SETTINGS = "SET search_path = pg_catalog, public SET plan_cache_mode = force_custom_plan"
_CREATE = """
CREATE FUNCTION {name}_check() RETURNS trigger LANGUAGE plpgsql {settings} AS $$
DECLARE
    missing uuid;
    whole CONSTANT boolean := true;
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        SELECT NEW.{field} INTO missing
        WHERE NOT EXISTS (SELECT FROM {parent} WHERE workspace_id = NEW.workspace_id AND id = NEW.{field});
    ELSE
        SELECT a.{field} INTO missing FROM added a WHERE whole AND a.{field} IS NOT NULL
        AND NOT EXISTS (SELECT FROM {parent} WHERE workspace_id = a.workspace_id AND id = a.{field} OFFSET 0) LIMIT 1;
    END IF;
    IF FOUND THEN
        RAISE foreign_key_violation USING CONSTRAINT = '{name}', TABLE = '{child}',
            MESSAGE = format('insert or update on table "{child}" violates foreign key constraint "{name}": no row'
                             ' of "{parent}" in this workspace has the id %s', missing);
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION {name}_cascade() RETURNS trigger LANGUAGE plpgsql {settings} AS $$
DECLARE
    whole CONSTANT boolean := true;
BEGIN
    DELETE FROM {child} WHERE whole AND {field} = ANY(ARRAY(SELECT id FROM removed));
    RETURN NULL;
END $$;
CREATE TRIGGER {name}_insert AFTER INSERT ON {child} REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION {name}_check();
CREATE TRIGGER {name}_update AFTER UPDATE OF workspace_id, {field} ON {child} FOR EACH ROW
WHEN (NEW.{field} IS NOT NULL AND (NEW.workspace_id, NEW.{field}) IS DISTINCT FROM (OLD.workspace_id, OLD.{field}))
EXECUTE FUNCTION {name}_check();
CREATE TRIGGER {name}_delete AFTER DELETE ON {parent} REFERENCING OLD TABLE AS removed
FOR EACH STATEMENT EXECUTE FUNCTION {name}_cascade();
"""


class StatementForeignKey(CompositeForeignKey):
    """As CompositeForeignKey with ON DELETE CASCADE, checked once a statement. Needs an index on the field."""

    def constraint_sql(self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> str:
        """Nothing within CREATE TABLE: the triggers follow."""
        if schema_editor:
            schema_editor.deferred_sql.append(self.create_sql(model, schema_editor))
        return ""

    def create_sql(self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> str:
        child = model._meta.db_table if model else ""
        return _CREATE.format(name=self.name, field=self.field, child=child, parent=self.to_table, settings=_SETTINGS)

    def remove_sql(self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> str:
        return f"DROP FUNCTION {self.name}_check(), {self.name}_cascade() CASCADE"
