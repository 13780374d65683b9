"""Making a cluster: initdb, roles, database, passwords. Whole or not at all, and with no server running."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kapelle.kernel.errors import Unavailable
from kapelle.kernel.postgres.layout import DATABASE, OWNER, ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kapelle.kernel.postgres.account import Account
    from kapelle.kernel.postgres.layout import Layout

ENVIRON = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
WORK_FOLDER = Path("/")
_INITDB = ("-U", ROOT, "-A", "reject", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin")
_INITDB_MORE = ("--builtin-locale=C.UTF-8", "--no-sync", "--no-instructions")
_log = logging.getLogger(__name__)


class PostgresUnavailable(Unavailable):
    """The embedded PostgreSQL is not running, or cannot be started; the message says what to do."""

    code = "postgres_unavailable"


@dataclass(frozen=True)
class Programs:
    """PostgreSQL's programs, and whom to run them as (None: as ourselves)."""

    folder: Path
    account: Account | None

    @property
    def server(self) -> Path:
        return self.folder / "postgres"

    def run(self, name: str, options: Sequence[str], *, data: Path, text: str = "") -> None:
        """Run one to its end on a data folder; raises PostgresUnavailable with what it said."""
        with ExitStack() as stack:
            folder, fds = reach(data, self.account, stack)
            done = subprocess.run(  # noqa: S603 - our own words, no shell
                [str(self.folder / name), *options],
                input=text,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                env={**ENVIRON, "PGDATA": folder},
                cwd=WORK_FOLDER,
                pass_fds=fds,
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
                start_new_session=True,
            )
        if done.returncode != 0:
            raise PostgresUnavailable(f"PostgreSQL's {name} failed in {data}:\n{done.stdout.strip()[-2000:]}")

    def major_version(self) -> str:
        answer = subprocess.run([self.server, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
        return answer.stdout.split()[-1].split(".")[0]


def reach(folder: Path, account: Account | None, stack: ExitStack) -> tuple[str, tuple[int, ...]]:
    """A path by which a child of another user finds `folder` though its parents are closed, and the handles to pass on.

    The kernel resolves /proc/self/fd/N straight to the folder that we opened, so only the folder itself must be the
    user's own; nothing above it is opened to anybody.
    """
    if account is None:
        return str(folder), ()
    if not Path("/proc/self/fd").is_dir():
        raise PostgresUnavailable("Run Kapelle as an ordinary user here: running PostgreSQL for root needs /proc.")
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, fd)
    return f"/proc/self/fd/{fd}", (fd,)


def ensure_made(layout: Layout, programs: Programs) -> None:
    """Make the cluster if there is none; else see that this version can run it, and give lost passwords anew."""
    (root, new_root), (owner, new_owner) = layout.password(ROOT), layout.password(OWNER)
    if not layout.data.exists():
        _make(layout, programs, root, owner)
        return
    have, brings = (layout.data / "PG_VERSION").read_text().strip(), programs.major_version()
    if have != brings:
        raise PostgresUnavailable(
            f"{layout.data} was made by PostgreSQL {have}, but this Kapelle brings {brings}. Start the earlier "
            "Kapelle, dump the database with pg_dump, and load it into a new KAPELLE_HOME."
        )
    if programs.account is not None and layout.data.stat().st_uid != programs.account.uid:
        programs.account.own(layout.data)  # a home that root copied or restored
    if new_root or new_owner:
        _log.warning("the keys of PostgreSQL's roles were missing and are made anew")
        sql = f"ALTER ROLE {ROOT} PASSWORD '{root}'\nALTER ROLE {OWNER} PASSWORD '{owner}'\n"
        _single_user(layout.data, sql, programs)


def _make(layout: Layout, programs: Programs, root: str, owner: str) -> None:
    _log.info("making a new PostgreSQL cluster in %s", layout.data)
    scratch = layout.scratch
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    if programs.account is not None:
        programs.account.own(scratch)
    programs.run("initdb", [*_INITDB, *_INITDB_MORE], data=scratch)
    sql = (
        f"ALTER ROLE {ROOT} PASSWORD '{root}'\n"
        f"CREATE ROLE {OWNER} LOGIN NOSUPERUSER NOBYPASSRLS CREATEROLE PASSWORD '{owner}'\n"
        f"CREATE DATABASE {DATABASE} OWNER {OWNER}\n"
    )
    _single_user(scratch, sql, programs)
    programs.run("initdb", ["--sync-only"], data=scratch)
    scratch.rename(layout.data)


def _single_user(data: Path, sql: str, programs: Programs) -> None:
    """Run statements, one a line, with no server and so with no password."""
    programs.run("postgres", ["--single", "-c", "exit_on_error=on", "template1"], data=data, text=sql)
