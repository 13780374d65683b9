"""Loads the demo workspace through the real importers. Safe to repeat; `full` adds the rest of the history in place."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kapelle.accounts.actions import create_key, create_workspace
from kapelle.accounts.contracts import LawfulBasis, Scope
from kapelle.accounts.queries import find_key, get_workspace
from kapelle.imports.actions.jobs import create_job
from kapelle.imports.actions.running import run_job
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import NotFound
from kapelle.web.demo.examples import ACTOR, make_examples, point_email_at
from kapelle.web.demo.files import (
    CUSTOMERS_MAP,
    HISTORY_ENDS,
    ORDERS_MAP,
    PRODUCTS_MAP,
    SOURCE,
    write_customers,
    write_orders,
    write_products,
)
from kapelle.web.demo.mail import reserve_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from kapelle.accounts.contracts import WorkspaceInfo
    from kapelle.kernel.config import Config

SLUG = "demo"
WEEKS = 4  # of the first load: about 115,000 lines


@dataclass(frozen=True, slots=True)
class DemoState:
    """What was loaded, kept in KAPELLE_HOME/demo.json so that a later load fits."""

    shift_days: int  # so many days the history was moved, to end on the day of the first load
    weeks: int | None  # None: all of it


def load_demo(config: Config, *, full: bool, say: Callable[[str], None]) -> None:
    """Make or complete the demo workspace."""
    now = utc_now()
    workspace = _workspace(now)
    _keep_keys(config, workspace, now)
    state = read_state(config)
    shift = state.shift_days if state else (now.replace(tzinfo=None) - HISTORY_ENDS).days - 1
    weeks = None if full else int(os.environ.get("KAPELLE_DEMO_WEEKS", WEEKS))
    say(f"The demo is {SOURCE}. It has no contact data: names and addresses at example.test are made up.")
    say(f"Its days are moved by {shift} so that it ends {HISTORY_ENDS + timedelta(days=shift):%Y-%m-%d}.")
    with tempfile.TemporaryDirectory(prefix="kapelle-demo-") as folder:
        customers, orders, products = (Path(folder) / f"{name}.csv" for name in ("customers", "orders", "products"))
        write_customers(customers)
        write_products(products, write_orders(orders, shift_days=shift, weeks=weeks))
        for kind, path, mapping in (
            ("customers", customers, CUSTOMERS_MAP),
            ("products", products, PRODUCTS_MAP),
            ("orders", orders, ORDERS_MAP),
        ):
            say(_import(workspace, kind, path, mapping))
    point_email_at(workspace_id=workspace.id, port=reserve_port(config), now=now)
    make_examples(workspace_id=workspace.id, now=now)
    _state_path(config).write_text(json.dumps({"shift_days": shift, "weeks": weeks}))


def read_state(config: Config) -> DemoState | None:
    """What was loaded; None before the first load came to its end."""
    try:
        return DemoState(**json.loads(_state_path(config).read_text()))
    except FileNotFoundError:
        return None


def _state_path(config: Config) -> Path:
    return config.home / "demo.json"


def _workspace(now: datetime) -> WorkspaceInfo:
    try:
        return get_workspace(SLUG)
    except NotFound:
        return create_workspace(slug=SLUG, name="The Grocer (demo)", now=now, timezone="UTC", currency="USD")


def _keep_keys(config: Config, workspace: WorkspaceInfo, now: datetime) -> None:
    """The demo's keys are shown at every start, so they are kept: in the folder of secrets, for its owner only."""
    path = config.keys_dir / "demo-keys.json"
    keys: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    for scope in (Scope.WRITE, Scope.ADMIN):
        known = find_key(keys[scope.value]) if scope.value in keys else None
        if known is None or known.workspace_id != workspace.id:
            keys[scope.value] = create_key(
                workspace_id=workspace.id, name=f"demo {scope.value}", scope=scope, now=now, actor=ACTOR
            )
    config.keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(keys, file)


def _import(workspace: WorkspaceInfo, kind: str, path: Path, mapping: dict[str, Any]) -> str:
    job = create_job(
        workspace_id=workspace.id,
        kind=kind,
        path=path,
        now=utc_now(),
        actor=ACTOR,
        mapping=mapping,
        origin=SOURCE,
        lawful_basis=LawfulBasis.LEGITIMATE_INTERESTS,
    )
    done = run_job(workspace_id=workspace.id, job_id=job.id, clock=utc_now)
    return (
        f"{kind}: {done.rows_read:,} rows, {done.rows_created:,} created, {done.rows_updated:,} updated,"
        f" {done.rows_failed:,} left out ({done.rows_per_second:,.0f} rows/s)"
    )
