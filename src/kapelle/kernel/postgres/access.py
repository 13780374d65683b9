"""The database's URL for whoever needs it, and a server for as long as one command takes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kapelle.kernel.postgres.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kapelle.kernel.config import Config


def database_url(config: Config) -> str:
    """The owner's URL: DATABASE_URL, or the embedded cluster's (which was started at least once, else an error)."""
    return config.database_url or Cluster(config).owner_url()


@contextmanager
def running(config: Config, timeout: float = 60.0) -> Iterator[str]:
    """The owner's URL with a server behind it for the block.

    A server that runs already is used; else one is started, and whichever user leaves last stops it.
    """
    if config.database_url:
        yield config.database_url
        return
    cluster = Cluster(config)
    cluster.start(timeout)
    try:
        yield cluster.owner_url()
    finally:
        cluster.stop_if_unused()
