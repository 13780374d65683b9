"""What can be set of the edge beyond the installation's configuration, read once from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kapelle.kernel.config import Config


@dataclass(frozen=True)
class EdgeSettings:
    """Sizes and waits; the defaults are the measured ones (docs/adr/0004)."""

    web: str
    """Where `web` listens: the path of a unix socket, or HOST:PORT."""

    behind_proxy: bool = False
    """Believe X-Forwarded-For and -Proto of a proxy on this machine."""

    gather_seconds: float = 0.001
    flush_rows: int = 500
    flushers: int = 3
    database_seconds: float = 2.0
    """PostgreSQL is taken for away when it does not answer within this."""

    backlog_rows: int = 20_000
    backlog_bytes: int = 64 * 1024 * 1024
    spill_bytes: int = 4 * 1024 * 1024 * 1024
    spill_segment_bytes: int = 16 * 1024 * 1024
    disk_reserve_bytes: int = 100 * 1024 * 1024
    """The spill never takes the last of the disk: PostgreSQL needs it to come back."""


def load(config: Config, environ: Mapping[str, str] | None = None) -> EdgeSettings:
    """KAPELLE_WEB, KAPELLE_BEHIND_PROXY and KAPELLE_SPILL_BYTES over the defaults."""
    env = os.environ if environ is None else environ
    return EdgeSettings(
        web=env.get("KAPELLE_WEB") or str(config.web_socket),
        behind_proxy=env.get("KAPELLE_BEHIND_PROXY", "") in {"1", "true", "yes"},
        spill_bytes=int(env.get("KAPELLE_SPILL_BYTES") or EdgeSettings.spill_bytes),
    )
