"""The client that the product uses: rows in and out, named errors, and a server that moves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from kapelle.kernel import config as kernel_config
from kapelle.kernel.columnar.client import Client, ColumnarError, ColumnarUnavailable, connect
from kapelle.kernel.columnar.ddl import Table, create_statements
from kapelle.kernel.config import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from columnar_host import Host

EVENTS = Table(
    name="events_client",
    columns=(("id", "UUID"), ("at", "DateTime64(6, 'UTC')"), ("properties", "String CODEC(ZSTD(1))")),
    order_by=("id",),
)
COLUMNS = [name for name, _ in EVENTS.columns]
LINE = b'019a0000-0000-7000-8000-%012d\t2026-11-22 12:00:00.123456\t{"total":%d}\n'


@pytest.fixture
def client(host: Host) -> Iterator[Client]:
    made = connect(host.config)
    made.command(f"DROP TABLE IF EXISTS {EVENTS.name} SYNC")
    for statement in create_statements(EVENTS, cluster=None, database=made.database):
        made.command(statement)
    yield made
    made.close()


def lines(first: int, count: int) -> Iterator[bytes]:
    return (LINE % (n, n) for n in range(first, first + count))


def test_streamed_rows_come_back_typed(client: Client) -> None:
    assert client.insert_stream(EVENTS.name, COLUMNS, lines(0, 30_000), token="a") == 30_000
    sql = f"SELECT * FROM {EVENTS.name} WHERE id = {{id:UUID}}"
    row = client.query(sql, {"id": UUID("019a0000-0000-7000-8000-000000000007")})
    assert [tuple(one) for one in row] == [
        (
            UUID("019a0000-0000-7000-8000-000000000007"),
            datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC),
            '{"total":7}',
        )
    ]


def test_a_token_makes_a_repeated_insert_harmless(client: Client) -> None:
    for _ in range(3):
        client.insert_stream(EVENTS.name, COLUMNS, lines(0, 100), token="block 1")
        client.insert_rows(EVENTS.name, ["id"], [[UUID(int=1)]], token="row 1")
    assert client.query(f"SELECT count() FROM {EVENTS.name}") == [(101,)]


def test_an_error_of_the_source_aborts_the_insert(client: Client) -> None:
    def broken() -> Iterator[bytes]:
        yield from lines(0, 50_000)
        raise LookupError

    with pytest.raises(LookupError):
        client.insert_stream(EVENTS.name, COLUMNS, broken(), settings={"max_insert_block_size": 1_000_000})
    assert client.query(f"SELECT count() FROM {EVENTS.name}") == [(0,)]


def test_large_answers_come_block_by_block(client: Client) -> None:
    sizes = [len(block) for block in client.query_blocks("SELECT number FROM numbers({n:UInt64})", {"n": 200_000})]
    assert sum(sizes) == 200_000
    assert len(sizes) > 1


def test_the_engines_refusal_keeps_its_code(client: Client) -> None:
    with pytest.raises(ColumnarError) as caught:
        client.query("SELECT * FROM no_such_table")
    assert caught.value.clickhouse_code == 60
    assert caught.value.code == "columnar_error"
    with pytest.raises(ColumnarError) as caught:
        client.insert_stream(EVENTS.name, COLUMNS, [b"nonsense\n"])
    assert caught.value.clickhouse_code == 376
    with pytest.raises(ColumnarError) as caught:
        list(client.query_blocks("SELECT number, throwIf(number = 3000000) FROM numbers(5000000)"))
    assert caught.value.clickhouse_code == 395
    assert client.query("SELECT 1", settings={"max_threads": 1}) == [(1,)]


def test_threads_share_one_client(client: Client) -> None:
    def one(n: int) -> int:
        return int(client.query("SELECT {n:UInt32} + sleep(0.05)", {"n": n})[0][0])

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(one, range(48))) == list(range(48))


def test_it_follows_the_engine_to_its_new_port(own_host: Host) -> None:
    client = connect(own_host.config)
    assert client.ping()
    own_host.kill()
    assert not client.ping()
    with pytest.raises(ColumnarUnavailable):
        client.query("SELECT 1")
    with pytest.raises(ColumnarUnavailable):
        client.insert_stream("t", ["a"], iter([b"1\n"]))
    own_host.start()
    assert client.query("SELECT 1") == [(1,)]
    own_host.stop()
    with pytest.raises(ColumnarUnavailable) as caught:
        client.command("SELECT 1")
    assert caught.value.code == "columnar_unavailable"


def test_it_opens_nothing_before_its_first_call(tmp_path: Path) -> None:
    client = connect(kernel_config.load({"KAPELLE_HOME": str(tmp_path)}))
    assert client.database == "kapelle"
    assert not client.ping()


def test_any_clickhouse_by_url(host: Host) -> None:
    url = f"http://default:{host.token}@127.0.0.1:{host.address['port']}/system?max_threads=1"
    client = connect(kernel_config.load({"KAPELLE_HOME": str(host.home), "CLICKHOUSE_URL": url}))
    assert client.database == "system"
    assert client.query("SELECT currentDatabase(), getSetting('max_threads')") == [("system", 1)]
    wrong = connect(kernel_config.load({"CLICKHOUSE_URL": url.replace(host.token, "wrong")}))
    with pytest.raises(ColumnarError) as caught:
        wrong.query("SELECT 1")
    assert caught.value.clickhouse_code == 516
    with pytest.raises(ConfigInvalid):
        connect(kernel_config.load({"CLICKHOUSE_URL": "localhost:8123"}))
