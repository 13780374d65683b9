"""What every figure needs: an installation of its own, the same options, the same line of JSON.

Import it before anything of Kapelle that needs Django: importing it makes a temporary home, forgets the caller's own
engines and starts Django. The home goes when the script ends.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import django

ROOT = Path(__file__).parents[1]
HOME = Path(tempfile.mkdtemp(prefix="kapelle-bench-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
for _name in [name for name in os.environ if name.startswith(("KAPELLE_", "DATABASE_", "CLICKHOUSE_"))]:
    del os.environ[_name]
os.environ.update(KAPELLE_HOME=str(HOME), DJANGO_SETTINGS_MODULE="kapelle.web.settings")
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
django.setup()

from django.core.management import call_command  # noqa: E402  # Django first
from django.db import connection  # noqa: E402

from columnar_host import Host  # noqa: E402  # the path first
from kapelle.kernel import config as kernel_config  # noqa: E402
from kapelle.kernel.postgres import running  # noqa: E402
from kapelle.kernel.row_security import APP_ROLE  # noqa: E402
from kapelle.web.database import database_settings  # noqa: E402
from live import Live, free_port, installation, wait_until  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "HOME", "ROOT", "Host", "Live", "Size", "arguments", "client_cpu", "database", "free_port", "installation",
    "percentile", "report", "wait_until",
]  # fmt: skip


class Size(NamedTuple):
    """How much of something: usually, and with --quick."""

    usual: float
    quick: float
    help: str = ""


def arguments(description: str | None, flags: dict[str, str] | None = None, **sizes: Size) -> argparse.Namespace:
    """The command line: --runs and --quick, an option for each size, a switch for each flag (name -> help)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--runs", type=int, help="the value is their median (3; 1 with --quick)")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it works, not how fast it is")
    for name, size in sizes.items():
        text = f"{size.help} ({size.usual:,}; {size.quick:,} with --quick)".strip()
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(size.usual), help=text)
    for name, text in (flags or {}).items():
        parser.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=text)
    chosen = parser.parse_args()
    for name, size in {"runs": Size(3, 1), **sizes}.items():
        if getattr(chosen, name) is None:
            setattr(chosen, name, size.quick if chosen.quick else size.usual)
    return chosen


@contextmanager
def database(role: str = APP_ROLE) -> Iterator[str]:
    """The home's own PostgreSQL, migrated; Django works as `role`. Gives the owner's address."""
    config = kernel_config.load()
    with running(config) as url:
        connection.settings_dict.update(database_settings(config, ""))
        call_command("migrate", verbosity=0)
        connection.close()
        connection.settings_dict.update(database_settings(config, role))
        try:
            yield url
        finally:
            connection.close()


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def client_cpu() -> float:
    """Seconds of processor that this script itself has used: high beside the product's, it is what was measured."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def report(
    figure: str,
    unit: str,
    runs: Sequence[float],
    options: argparse.Namespace,
    *,
    p50_ms: float | None = None,
    p99_ms: float | None = None,
    cpu: float | None = None,
    **also: Any,
) -> None:
    """Print the figure as one line of JSON. `cpu`: processors that the load itself used; `also`: what else was seen."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    seen = {"p50_ms": p50_ms, "p99_ms": p99_ms, "client_cpu": cpu}
    line = {
        "figure": figure,
        "unit": unit,
        "value": _round(statistics.median(runs)),
        "runs": [_round(run) for run in runs],
        **{name: round(value, 2) for name, value in seen.items() if value is not None},
        "load_average": round(os.getloadavg()[0], 1),
        "commit": commit.stdout.strip(),
        "settings": {**vars(options), "cores": os.cpu_count(), "python": platform.python_version()},
        **({"also": also} if also else {}),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    print(json.dumps(line), flush=True)


def _round(value: float) -> float:
    return round(value) if abs(value) >= 100 else round(value, 2)
