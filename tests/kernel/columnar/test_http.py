"""What clickhouse-connect and plain HTTP callers get from the columnar server."""

from __future__ import annotations

import base64
import gzip
import http.client
import io
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pyarrow as pa
import pytest
import urllib3
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from columnar_host import Answer

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client as Driver

    from columnar_host import Host

TABLE = "id Int64, name String, at DateTime64(3, 'UTC'), sum Decimal(18, 4), tags Array(String)"
ROW = [1, "tab\there 'quoted' ёж", datetime(2026, 11, 22, 12, tzinfo=UTC), Decimal("12.3400"), ["a", "b'c"]]


@pytest.fixture
def table(db: Driver) -> str:
    name = f"t_{uuid.uuid4().hex}"
    db.command(
        f"CREATE TABLE {name} ({TABLE}) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 9"
    )
    return name


# ---- queries ----


def test_parameters_travel_outside_the_statement(db: Driver) -> None:
    values = {"n": 7, "s": "it's\ta \\ \n'); DROP TABLE x; --", "l": ["a'b", "c"], "d": ROW[2], "m": ROW[3]}
    noon = "toDateTime64('2026-11-22 12:00:00', 3, 'UTC')"
    types = "{n:UInt8}, {s:String}, {l:Array(String)}, {d:DateTime64(3, 'UTC')}"
    sql = f"SELECT {types} = {noon}, {{m:Decimal(9, 4)}}"
    assert db.query(sql, values).result_rows == [(7, values["s"], values["l"], True, ROW[3])]


def test_large_parameters_come_as_a_form(host: Host) -> None:
    client = host.client(form_encode_query_params=True)
    ids = list(range(200_000))
    assert client.query("SELECT length({ids:Array(UInt32)}), {s:String}", {"ids": ids, "s": "x"}).result_rows == [
        (200_000, "x")
    ]


def test_settings_hold_for_their_call_only(host: Host) -> None:
    client = host.client()
    assert client.query("SELECT getSetting('max_threads')", settings={"max_threads": 1}).result_rows == [(1,)]
    client.command("SET max_threads = 1")
    assert client.query("SELECT getSetting('max_block_size')").result_rows != [(1,)]
    assert host.post("SELECT getSetting('max_threads')").text != "1\n"
    assert host.post("SELECT 1", no_such_setting=1).code == 115
    assert host.post("SELECT 1", **{"max_threads = 1, dialect": "x"}).status == 404


def test_temporary_tables_and_use_end_with_their_call(host: Host) -> None:
    host.post("CREATE TEMPORARY TABLE passing (a UInt8)")
    assert host.post("SELECT * FROM passing").code == 60
    host.post("USE system")
    assert host.post("SELECT currentDatabase()").text == "kapelle\n"


def test_database_format_and_query_id_are_honored(host: Host) -> None:
    given = {"database": "system", "default_format": "JSONEachRow", "query_id": "mine"}
    answer = host.post("SELECT currentDatabase() AS d", **given)
    assert json.loads(answer.text) == {"d": "system"}
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine"
    assert answer.headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert answer.headers["X-ClickHouse-Timezone"]
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["result_rows"] == "1"
    assert host.post("SELECT currentDatabase()", database="default").text == "kapelle\n"


def test_the_statement_may_stand_in_the_address_in_the_body_or_in_both(host: Host) -> None:
    assert host.post("", query="SELECT 1").text == "1\n"
    assert host.post("+ 1", query="SELECT 1").text == "2\n"
    assert host.post("/* note */ SELECT 3;").text == "3\n"
    assert host.post("").code == 62


def test_get_reads_and_changes_nothing(host: Host) -> None:
    def get(sql: str) -> Answer:
        basic = base64.b64encode(f"default:{host.token}".encode()).decode()
        return host.get("?" + urlencode({"query": sql}), headers={"Authorization": f"Basic {basic}"})

    assert get("SELECT 5").text == "5\n"
    assert get("CREATE TABLE by_get (a UInt8) ENGINE = Memory").code == 164


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "lz4", "zstd"])
def test_answers_are_compressed_as_asked(host: Host, encoding: str) -> None:
    client = host.client(compress=encoding if encoding != "deflate" else False)
    assert len(client.query("SELECT number, toString(number) FROM numbers(300000)").result_rows) == 300_000
    answer = host.post("SELECT 1 FROM numbers(1000)", enable_http_compression=1, encoding=encoding)
    assert answer.headers["Content-Encoding"] == encoding
    assert len(answer.raw) < 200


def test_arrow_json_and_data_frames_come_whole(db: Driver) -> None:
    assert db.query_arrow("SELECT number FROM numbers(3)").to_pydict() == {"number": [0, 1, 2]}
    assert db.query_df("SELECT 1 AS a").to_dict("records") == [{"a": 1}]
    found = json.loads(
        db.raw_query("SELECT number AS n, count() FROM numbers(2) GROUP BY n WITH TOTALS ORDER BY n", fmt="JSON")
    )
    assert [row["n"] for row in found["data"]] == [0, 1]
    assert found["totals"]["count()"] == 2


def test_select_star_of_no_rows_is_empty(db: Driver, table: str) -> None:
    assert db.query(f"SELECT * FROM {table}").result_rows == []
    assert db.query(f"SELECT * FROM {table} LIMIT 0").column_names == ("id", "name", "at", "sum", "tags")


# ---- inserts ----


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_python_rows_come_back_as_they_were(host: Host, table: str, compress: bool | str) -> None:
    client = host.client(compress=compress, tz_mode="aware")
    summary = client.insert(table, [ROW] * 1000)
    assert summary.written_rows == 1000
    rows = client.query(f"SELECT * FROM {table}").result_rows
    assert [list(row) for row in rows] == [ROW] * 1000


_ARROW = io.BytesIO()
with pa.ipc.new_stream(_ARROW, pa.schema([("id", pa.int64()), ("name", pa.string())])) as writer:
    writer.write_batch(pa.record_batch([pa.array([1, 2]), pa.array(["a", "b"])], names=["id", "name"]))
BODIES = {
    "TabSeparated": b"1\ta\n2\tb\n",
    "CSV": b'1,"a"\n2,"b"\n',
    "JSONEachRow": b'{"id":1,"name":"a"}\n{"id":2,"name":"b"}\n',
    "ArrowStream": _ARROW.getvalue(),
    "Values": b"(1,'a'),(2,'b')",
}


@pytest.mark.parametrize("form", BODIES)
@pytest.mark.parametrize("place", ["address", "first line", "pieces"])
def test_raw_inserts_in_many_formats(host: Host, db: Driver, table: str, form: str, place: str) -> None:
    head = f"INSERT INTO {table} (id, name) {'' if form == 'Values' else 'FORMAT '}{form}"
    if place == "address":
        answer = host.post(BODIES[form], query=head)
    elif place == "first line":
        answer = host.post(f"-- a note\n{head}\n".encode() + BODIES[form])
    else:
        whole = f"{head}\n".encode() + BODIES[form]
        answer = host.post(whole[at : at + 7] for at in range(0, len(whole), 7))  # type: ignore[arg-type]
    assert answer.status == 200, answer.text
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == "2"
    assert db.query(f"SELECT id, name FROM {table} ORDER BY id").result_rows == [(1, "a"), (2, "b")]


def test_a_gzipped_body_is_unpacked(host: Host, db: Driver, table: str) -> None:
    db.raw_insert(table, ["id", "name"], gzip.compress(BODIES["CSV"]), fmt="CSV", compression="gzip")
    assert db.command(f"SELECT count() FROM {table}") == 2


def test_insert_select_and_settings_inside_the_statement(db: Driver, table: str) -> None:
    db.command(f"INSERT INTO {table} (id) SELECT number FROM numbers(10)")
    db.command(f"INSERT INTO {table} (id) SETTINGS insert_deduplicate = 0 VALUES (1), (2)")
    assert db.command(f"SELECT count() FROM {table}") == 12


def test_a_repeated_insert_with_its_token_is_taken_for_done(db: Driver, table: str) -> None:
    for _ in range(2):
        db.raw_insert(table, ["id"], b"1\n2\n", fmt="TSV", settings={"insert_deduplication_token": "block 1"})
    db.raw_insert(table, ["id"], b"1\n2\n", fmt="TSV", settings={"insert_deduplication_token": "block 2"})
    assert db.command(f"SELECT count() FROM {table}") == 4


def test_a_bad_row_leaves_nothing_behind(host: Host, db: Driver, table: str) -> None:
    answer = host.post(b"1\ta\nnot a number\tb\n", query=f"INSERT INTO {table} (id, name) FORMAT TSV")
    assert (answer.status, answer.code) == (400, 27)
    assert db.command(f"SELECT count() FROM {table}") == 0


def test_bytes_that_are_no_text_are_told_as_a_parse_error(host: Host, table: str) -> None:
    answer = host.post(b"\xff\xfe\xc0\tb\n", query=f"INSERT INTO {table} (id, name) FORMAT TSV")
    assert (answer.status, answer.code) == (400, 27)
    assert host.post(b"SELECT '\xff'").code == 62


def test_a_caller_who_leaves_in_the_middle_of_a_body_leaves_nothing_behind(host: Host, db: Driver, table: str) -> None:
    def rows() -> Any:
        yield b"1\n" * 100
        raise LookupError

    with pytest.raises(LookupError):
        host.post(rows(), query=f"INSERT INTO {table} (id) FORMAT TSV")
    time.sleep(0.5)
    assert db.command(f"SELECT count() FROM {table}") == 0
    assert db.command("SELECT count() FROM system.processes") == 1


# ---- errors ----


@pytest.mark.parametrize(
    ("sql", "code", "status"),
    [
        ("SELECT * FROM no_such_table", 60, 404),
        ("SELECT no_such_column", 47, 404),
        ("SELECT no_such_function()", 46, 404),
        ("SELECT * FROM no_db.x", 81, 404),
        ("SELECT (", 62, 400),
        ("HELLO", 62, 400),
        ("SELECT 'open", 62, 400),
        ("SELECT 1; SELECT 2", 62, 400),
        ("SELECT toDate('x')", 38, 400),
        ("SELECT throwIf(1)", 395, 500),
        ("SELECT {x:UInt8}", 456, 500),
        ("SELECT sleepEachRow(1) FROM numbers(5) SETTINGS max_execution_time = 0.5, max_block_size = 1", 159, 408),
        ("SELECT groupArray(toString(number)) FROM numbers(100000000) SETTINGS max_memory_usage = 30000000", 241, 500),
        ("SELECT 1 SETTINGS max_memory_usage = 100000000000", 452, 500),
        ("CREATE USER someone", 497, 403),
    ],
)
def test_errors_carry_clickhouses_code_and_status(host: Host, sql: str, code: int, status: int) -> None:
    answer = host.post(sql)
    assert (answer.code, answer.status) == (code, status), answer.text
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")


def test_an_error_in_mid_stream_reaches_the_reader(db: Driver) -> None:
    sql = "SELECT number, toString(throwIf(number = 3000000)) FROM numbers(5000000)"
    seen = 0
    with (  # noqa: PT012 - it comes while reading
        pytest.raises(OperationalError, match="Code: 395"),
        db.query_row_block_stream(sql) as blocks,
    ):
        for block in blocks:
            seen += len(block)
    assert seen > 1_000_000


@pytest.mark.parametrize("key", ["wrong", "", "ключ".encode().decode("latin-1")])
def test_a_wrong_token_is_refused(host: Host, key: str) -> None:
    answer = host.post("SELECT 1", key=key)
    assert (answer.status, answer.code) == (403, 516)


def test_no_token_is_refused_and_the_token_is_for_this_user_only(host: Host) -> None:
    answer = Answer.of("POST", host.url, body="SELECT 1")
    assert answer.code == 516
    assert (host.config.keys_dir / "columnar-token").stat().st_mode & 0o777 == 0o600


# ---- streams, cancellation, many at once ----


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_a_longer_stream_takes_no_more_memory(host: Host) -> None:
    def most_while_reading(rows: int) -> int:
        sql = f"SELECT number, repeat(toString(number), 20) FROM numbers({rows}) FORMAT Native"
        headers = {"X-ClickHouse-Key": host.token}
        answer = urllib3.request("POST", host.url, body=sql, headers=headers, preload_content=False)
        most, size = 0, 0
        for piece in answer.stream(1024 * 1024):
            size += len(piece)
            most = max(most, resident(host.pid))
        assert size > rows * 100
        return most

    few = most_while_reading(2_000_000)  # 290 MB
    assert most_while_reading(8_000_000) - few < 100 * 1024 * 1024  # 1.2 GB


def test_two_million_rows_come_as_rows(db: Driver) -> None:
    with db.query_row_block_stream("SELECT number, toString(number) FROM numbers(2000000)") as blocks:
        assert sum(len(block) for block in blocks) == 2_000_000


def running(db: Driver, word: str) -> int:
    return int(
        db.command(f"SELECT count() FROM system.processes WHERE query LIKE '%{word}%' AND query NOT LIKE '%processes%'")
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(), 'slow_count' FROM numbers(100000000000)",
        "SELECT number, 'slow_stream' FROM numbers(100000000000)",
    ],
)
def test_a_query_ends_when_its_caller_leaves(host: Host, db: Driver, sql: str) -> None:
    word = sql.split("'")[1]
    leaving = http.client.HTTPConnection("127.0.0.1", host.address["port"])
    leaving.request("POST", "/", body=sql, headers={"X-ClickHouse-Key": host.token})
    while not running(db, word):
        time.sleep(0.02)
    if "stream" in word:
        leaving.getresponse().read(1_000_000)
    assert running(db, word) == 1
    leaving.close()
    if leaving.sock:
        leaving.sock.close()
    deadline = time.monotonic() + 2
    while running(db, word) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running(db, word) == 0


def test_sixteen_queries_run_side_by_side(host: Host, db: Driver) -> None:
    def one(n: int) -> int:
        return int(db.command(f"SELECT sum(number % {n + 2}) FROM numbers(3000000)"))

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(one, range(16))) == [
            sum(range(n + 2)) * (3_000_000 // (n + 2)) + sum(range(3_000_000 % (n + 2))) for n in range(16)
        ]


def test_more_callers_than_may_wait_are_told_to_come_again(host: Host, db: Driver) -> None:
    sql = "SELECT sleepEachRow(0.02) FROM numbers(25) SETTINGS max_block_size = 1, log_comment = 'crowd'"
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(host.post(sql))) for _ in range(90)]
    for thread in threads:
        thread.start()
    refused = []
    while not refused and any(thread.is_alive() for thread in threads):
        refused = [answer for answer in answers if answer.status == 503]
        time.sleep(0.05)
    assert refused
    assert refused[0].code == 202
    assert host.get("ping").text == "Ok.\n"
    for _ in range(200):
        if not any(thread.is_alive() for thread in threads):
            break
        time.sleep(0.1)
    with pytest.raises(DatabaseError, match="Code: 60"):
        db.query("SELECT * FROM still_answers")


def test_ping_and_metrics_need_no_token(host: Host) -> None:
    assert host.get("ping").text == "Ok.\n"
    assert host.get().text == "Ok.\n"
    figures = dict(line.split(" ") for line in host.get("metrics").text.splitlines() if not line.startswith("#"))
    assert int(figures["kapelle_columnar_resident_bytes"]) > 50_000_000
    assert int(figures["kapelle_columnar_queries_total"]) > 0
    assert host.get("elsewhere").status == 404
