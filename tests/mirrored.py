"""A columnar server on the test's own home, kept up to date by the real writer. For tests of any module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from columnar_host import Host
from kapelle.catalog.queries.mirror import MIRRORS as CATALOG_MIRRORS
from kapelle.customers.queries.mirror import CUSTOMERS, ORIGINS
from kapelle.events.queries.mirror import EVENTS
from kapelle.events.tasks.columnar_writer import write_round
from kapelle.kernel.columnar.client import connect

if TYPE_CHECKING:
    from uuid import UUID

    from kapelle.kernel.config import Config

MIRRORS = {mirror.table.name: mirror for mirror in (EVENTS, CUSTOMERS, ORIGINS, *CATALOG_MIRRORS)}


class Columnar:
    """The engine, its client, and one writer that works when it is told to."""

    def __init__(self, config: Config) -> None:
        self.host = Host(config.home).start()
        self.client = connect(config)

    def catch_up(self) -> int:
        """Write until nothing waits; gives the rows written."""
        total = 0
        while written := write_round(MIRRORS, self.client, cluster=None):
            total += written
        return total

    def column(self, workspace_id: UUID, select: str) -> list[Any]:
        """The first column of `SELECT ... FROM ... WHERE workspace_id = <this> ...`, `{w}` standing for the id."""
        return [row[0] for row in self.client.query(select.replace("{w}", f"'{workspace_id}'"))]
