"""`kapelle doctor` finds what is wrong and says how to mend it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
from click.testing import CliRunner

from columnar_host import Host
from kapelle.kernel import config as kernel_config
from kapelle.kernel.postgres import Cluster
from kapelle.kernel.postgres.layout import free_port
from kapelle.kernel.processes import FileLock
from kapelle.kernel.secrets import secret_bytes
from kapelle.web.cli import doctor_checks
from kapelle.web.cli.doctor_checks import CHECKS, Finding, disk_finding
from kapelle.web.cli.doctor_command import command
from kapelle.web.cli.process_table import process_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kapelle.kernel.config import Config

# root may read everything, unless it gives that up
NO_OVERRIDE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return kernel_config.load({"KAPELLE_HOME": str(tmp_path), "PORT": str(free_port())})


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(kernel_config.load({"KAPELLE_HOME": str(tmp_path_factory.mktemp("home"))}))
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def with_database(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Config:
    """An installation on a real, empty database; whether its tables are there is asked elsewhere."""
    monkeypatch.setattr(doctor_checks, "_migrations", lambda: Finding("ok", "the tables are up to date"))
    return kernel_config.load({"KAPELLE_HOME": "/nowhere", "DATABASE_URL": cluster.owner_url()})


@pytest.fixture
def up(config: Config) -> Iterator[None]:
    """As if `kapelle up` held this home."""
    with FileLock(config.run_dir / "up.lock").holding():
        yield


def levels(check: str, config: Config) -> dict[str, str]:
    function = next(function for function in CHECKS if function.__name__ == check)
    return {finding.what: finding.level for finding in function(config)}


def test_an_installation_that_was_never_started_has_warnings_only(config: Config) -> None:
    environ = {"KAPELLE_HOME": str(config.home), "PORT": str(config.port), "DATABASE_URL": "", "CLICKHOUSE_URL": ""}
    answer = CliRunner().invoke(command, [], env=environ)
    assert answer.exit_code == 0
    assert "warn the embedded PostgreSQL is not running - start it with `kapelle up`" in answer.output
    assert "FAIL" not in answer.output


def test_json_tells_the_same(config: Config) -> None:
    answer = CliRunner().invoke(command, ["--json"], env={"KAPELLE_HOME": str(config.home), "PORT": str(config.port)})
    findings = json.loads(answer.output)
    assert {"level", "what", "mend"} == set(findings[0])
    assert all(finding["mend"] for finding in findings if finding["level"] != "ok")


def test_a_taken_port_fails_and_the_exit_status_says_so(config: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = CliRunner().invoke(command, [], env={"KAPELLE_HOME": str(config.home), "PORT": port})
    assert answer.exit_code == 1
    assert f"FAIL port {port} cannot be used" in answer.output


@pytest.mark.parametrize(("free", "level"), [(100 * 1024**2, "FAIL"), (1024**3, "warn"), (3 * 1024**3, "ok")])
def test_little_disk_is_told_in_time(free: int, level: str) -> None:
    assert disk_finding(free).level == level


def test_keys_must_be_there_readable_and_ours_alone(config: Config) -> None:
    assert levels("keys", config) == {}
    (config.home / "logs").mkdir(parents=True)
    assert levels("keys", config) == {f"{config.keys_dir} is missing": "FAIL"}
    secret_bytes(config, "tracking")
    assert levels("keys", config) == {"1 files of keys can be read, and by this user alone": "ok"}
    config.keys_dir.chmod(0o755)
    assert levels("keys", config) == {f"other users of this machine can enter {config.keys_dir}": "warn"}


def test_keys_of_somebody_else_are_named(config: Config) -> None:
    secret_bytes(config, "postgres-owner-password")
    key = config.keys_dir / "postgres-owner-password"
    key.chmod(0)
    for name, said in (("doctor", f"FAIL {key} cannot be read - run Kapelle as"), ("migrate", str(key))):
        done = subprocess.run(
            [*(NO_OVERRIDE if os.geteuid() == 0 else []), sys.executable, "-m", "kapelle.web.cli", name],
            env={**os.environ, "KAPELLE_HOME": str(config.home), "PORT": str(config.port)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert said in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_a_clickhouse_that_knows_us_not_fails(config: Config) -> None:
    host = Host(config.home)
    host.start()
    try:
        url = f"http://default:wrong@127.0.0.1:{host.address['port']}"
        (what,) = levels("columnar", replace(config, clickhouse_url=url))
    finally:
        host.stop()
    assert what.startswith("ClickHouse cannot be used: ")
    assert "Authentication failed" in what


def test_a_database_without_the_app_role_fails(with_database: Config) -> None:
    found = levels("database", with_database)
    assert found["the role kapelle_app is missing"] == "FAIL"
    assert found["Russian letters and full text search"] == "ok"


@pytest.mark.parametrize(
    ("sql", "what", "level"),
    [
        ("SELECT 1", "the role kapelle_app owns nothing and row-level security holds for it", "ok"),
        ("ALTER ROLE kapelle_app BYPASSRLS", "the role kapelle_app can step over the walls between workspaces", "FAIL"),
        ("CREATE SCHEMA stray AUTHORIZATION kapelle_app", "the role kapelle_app owns 1 objects", "FAIL"),
    ],
)
def test_the_app_role_must_be_weak(cluster: Cluster, with_database: Config, sql: str, what: str, level: str) -> None:
    with psycopg.connect(cluster.admin_url(), autocommit=True) as connection:
        connection.execute("CREATE ROLE kapelle_app")
        try:
            connection.execute(sql)
            assert levels("database", with_database)[what] == level
        finally:
            connection.execute("DROP OWNED BY kapelle_app; DROP ROLE kapelle_app")


def test_a_database_that_does_not_answer_fails() -> None:
    config = kernel_config.load({"KAPELLE_HOME": "/nowhere", "DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:1/x"})
    (what,) = levels("database", config)
    assert what.startswith("the database of DATABASE_URL cannot be used")
    assert "hunter2" not in what


def test_a_dead_process_is_named(config: Config, up: None) -> None:
    for row in process_table(config, demo=False):
        (config.run_dir / f"{row.name}.pid").write_text(f"{os.getpid()}\n")
    (config.run_dir / "sender.pid").unlink()
    found = levels("processes", config)
    assert found["sender is not running"] == "FAIL"
    assert found["9 of 10 processes are running"] == "ok"


def test_engines_that_should_run_and_do_not_fail(config: Config, up: None) -> None:
    assert levels("columnar", config) == {"the columnar engine does not answer": "FAIL"}
    assert levels("database", config) == {"the embedded PostgreSQL is not running": "FAIL"}
    assert levels("port", config) == {f"nobody answers on port {config.port}": "FAIL"}


def test_events_that_wait_are_counted(config: Config) -> None:
    config.spill_dir.mkdir(parents=True)
    with (config.spill_dir / "1.spill").open("wb") as file:
        file.truncate(200 * 1024**2)
    assert levels("spill", config) == {"200.0 MB of events wait for PostgreSQL": "warn"}


def test_this_python_is_new_enough(config: Config) -> None:
    assert levels("python_version", config) == {"Python " + ".".join(map(str, sys.version_info[:3])): "ok"}
