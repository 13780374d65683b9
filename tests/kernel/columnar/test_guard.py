"""Nothing gets out: every known way round is tried over real HTTP, and honest statements pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kapelle.kernel.columnar.server.faults import EngineFault
from kapelle.kernel.columnar.server.guard import Guard
from kapelle.kernel.columnar.server.lexer import tokens

if TYPE_CHECKING:
    from pathlib import Path

    from columnar_host import Host

SECRET = "the-secret-of-the-operator"
DENIED = 497

# {path} is a file that holds SECRET. Refused must be each of these, and SECRET may stand in no answer.
WAYS_OUT = [
    "SELECT file('{path}')",
    "SELECT file ('{path}')",
    "SELECT file\n\t('{path}')",
    "SELECT file/* a note */('{path}')",
    "SELECT file/* a /* nested */ note */('{path}')",
    "SELECT file -- a note\n('{path}')",
    "SELECT file # a note\n('{path}')",
    "SELECT file #! a note\n('{path}')",
    "SELECT `file`('{path}')",
    "SELECT \"file\"('{path}')",
    "SELECT `fi\\x6ce`('{path}')",
    "SELECT “file”('{path}')",
    "SELECT file\u00a0('{path}')",
    "SELECT file\u2003('{path}')",
    "SELECT file\u200b('{path}')",
    "SELECT FILE('{path}')",
    "SELECT 1 + length(concat('', (SELECT file('{path}'))))",
    "WITH file('{path}') AS x SELECT x",
    "SELECT 'it''s', file('{path}')",
    "SELECT 'a\\'', file('{path}'), '\\''",
    "SELECT x'41\\', file('{path}'), '",
    "SELECT $$ ' $$, file('{path}')",
    "SELECT arrayMap(file, ['{path}'])",
    "SELECT arrayMap(x -> file(x), ['{path}'])",
    "SELECT * APPLY file FROM (SELECT '{path}' AS x)",
    "SELECT * APPLY(`file`) FROM (SELECT '{path}' AS x)",
    "SELECT COLUMNS('x') APPLY file FROM (SELECT '{path}' AS x)",
    "SELECT 1; SELECT file('{path}')",
    "SELECT 1 WHERE file('{path}') != ''",
    "EXPLAIN SELECT file('{path}')",
    "CREATE FUNCTION reach AS (x) -> file(x)",
    "CREATE TABLE guard_a (x String DEFAULT file('{path}')) ENGINE = Memory",
    "CREATE VIEW guard_v AS SELECT file('{path}')",
    "CREATE MATERIALIZED VIEW guard_m REFRESH EVERY 1 SECOND ENGINE = Memory AS SELECT file('{path}') AS x",
    "SELECT * FROM file('{path}', LineAsString)",
    "SELECT * FROM fileCluster('x', '{path}', LineAsString)",
    "SELECT * FROM format(JSONEachRow, 'a Int8, b String DEFAULT file(\\'{path}\\')', '{{\"a\":1}}')",
    "SELECT * FROM values('a Int8, b String DEFAULT file(\\'{path}\\')', (1, 'x'))",
    "SELECT * FROM input('a String DEFAULT file(\\'{path}\\')')",
    "SELECT * FROM null('a String DEFAULT file(\\'{path}\\')')",
    "SELECT * FROM generateRandom('a String DEFAULT file(\\'{path}\\')') LIMIT 1",
    "SELECT * FROM `{path}`",
    "SELECT * FROM default.`{path}`",
    "SELECT 1 FORMAT Template SETTINGS format_template_resultset = '{path}'",
    "SELECT 1 SETTINGS additional_result_filter = 'file(\\'{path}\\') != \\'\\''",
    "SELECT 1 SETTINGS dialect = 'prql'",
    "INSERT INTO guard_t VALUES (file('{path}'))",
    "INSERT INTO guard_t SELECT file('{path}')",
    "INSERT INTO guard_t FROM INFILE '{path}' FORMAT LineAsString",
    "INSERT INTO FUNCTION file('{path}', CSV) SELECT 1",
    "INSERT INTO TABLE FUNCTION url('http://127.0.0.1:9/', CSV, 'a Int8') VALUES (1)",
    "SELECT 1 INTO OUTFILE '{path}.out'",
    "SELECT 1 INTO/**/OUTFILE '{path}.out' TRUNCATE FORMAT CSV",
    "SELECT * FROM url('http://127.0.0.1:9/', CSV, 'a String')",
    "SELECT * FROM URL('http://127.0.0.1:9/', CSV, 'a String')",
    "SELECT * FROM remote('127.0.0.1:9', system.one)",
    "SELECT * FROM remoteSecure('127.0.0.1:9', system.one)",
    "SELECT * FROM cluster('default', system.one)",
    "SELECT * FROM clusterAllReplicas('default', system.one)",
    "SELECT * FROM s3('http://127.0.0.1:9/a/b', CSV)",
    "SELECT * FROM postgresql('127.0.0.1:9', 'd', 't', 'u', 'p')",
    "SELECT * FROM mysql('127.0.0.1:9', 'd', 't', 'u', 'p')",
    "SELECT * FROM mongodb('127.0.0.1:9', 'd', 't', 'u', 'p', 'a Int8')",
    "SELECT * FROM redis('127.0.0.1:9', 'k', 'k String')",
    "SELECT * FROM hdfs('hdfs://127.0.0.1:9/a', CSV, 'a Int8')",
    "SELECT * FROM azureBlobStorage('DefaultEndpointsProtocol=http', 'c', 'p')",
    "SELECT * FROM jdbc('x', 'y', 'z')",
    "SELECT * FROM odbc('x', 'y', 'z')",
    "SELECT * FROM sqlite('{path}', 't')",
    "SELECT * FROM executable('x', TSV, 'a String')",
    "SELECT * FROM python(x)",
    "SELECT * FROM Python(x)",
    "SELECT * FROM deltaLake('http://127.0.0.1:9/')",
    "SELECT * FROM icebergLocal('/etc')",
    "DESCRIBE TABLE url('http://127.0.0.1:9/', CSV)",
    "CREATE TABLE guard_b AS file('{path}', CSV)",
    "CREATE TABLE guard_b (a String) ENGINE = File(LineAsString, '{path}')",
    "CREATE TABLE guard_b (a String) ENGINE=URL('http://127.0.0.1:9/', CSV)",
    "CREATE TABLE guard_b (a String) ENGINE `S3`('http://127.0.0.1:9/a/b', CSV)",
    "CREATE TABLE guard_b (a String) ENGINE = PostgreSQL('127.0.0.1:9', 'd', 't', 'u', 'p')",
    "CREATE TABLE guard_b (a String) ENGINE = Executable('x', TSV)",
    "CREATE TABLE guard_b (a String) ENGINE = ExecutablePool('x', TSV)",
    "CREATE TABLE guard_b (a String) ENGINE = Distributed('c', 'd', 't')",
    "CREATE TABLE guard_b (a String) ENGINE = Kafka('127.0.0.1:9', 't', 'g', 'CSV')",
    "CREATE TEMPORARY TABLE guard_b (a String) ENGINE = File(CSV)",
    "CREATE OR REPLACE TABLE guard_b (a String) ENGINE = Redis('127.0.0.1:9')",
    "CREATE DATABASE guard_d ENGINE = Filesystem('/etc')",
    "CREATE DATABASE guard_d ENGINE = PostgreSQL('127.0.0.1:9', 'd', 'u', 'p')",
    "CREATE TABLE guard_b (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = 'local', path = '/tmp/')",
    (
        "CREATE TABLE guard_b (a Int8) ENGINE = MergeTree ORDER BY a"
        " SETTINGS disk = disk(type = 'web', endpoint = 'http://127.0.0.1:9/')"
    ),
    "ALTER TABLE guard_t MODIFY SETTING storage_policy = 'other'",
    (
        "CREATE DICTIONARY guard_x (a UInt64, b String) PRIMARY KEY a SOURCE(FILE(PATH '{path}' FORMAT 'CSV'))"
        " LAYOUT(FLAT()) LIFETIME(1)"
    ),
    (
        "CREATE DICTIONARY guard_x (a UInt64, b String) PRIMARY KEY a"
        " SOURCE(HTTP(URL 'http://127.0.0.1:9/' FORMAT 'CSV'))"
        " LAYOUT(FLAT()) LIFETIME(1)"
    ),
    (
        "CREATE DICTIONARY guard_x (a UInt64, b String) PRIMARY KEY a SOURCE(EXECUTABLE(COMMAND 'id' FORMAT 'CSV'))"
        " LAYOUT(FLAT()) LIFETIME(1)"
    ),
    (
        "CREATE DICTIONARY guard_x (a UInt64, b String) PRIMARY KEY a"
        " SOURCE(CLICKHOUSE(QUERY 'SELECT 1 AS a, file(\\'{path}\\') AS b')) LAYOUT(FLAT()) LIFETIME(1)"
    ),
    (
        "CREATE DICTIONARY guard_x (a UInt64, b String) PRIMARY KEY a"
        " SOURCE(CLICKHOUSE(HOST '127.0.0.1' PORT 9 TABLE 't'))"
        " LAYOUT(FLAT()) LIFETIME(1)"
    ),
    (
        "CREATE DICTIONARY guard_x (a UInt64, b String) PRIMARY KEY a"
        " SOURCE(CLICKHOUSE(TABLE 'guard_t' WHERE 'file(\\'{path}\\') != \\'\\'')) LAYOUT(FLAT()) LIFETIME(1)"
    ),
    "CREATE NAMED COLLECTION guard_n AS url = 'http://127.0.0.1:9/'",
    "CREATE USER guard_u",
    "GRANT ALL ON *.* TO default",
    "ATTACH TABLE guard_b FROM '/etc/' (a Int8) ENGINE = MergeTree ORDER BY a",
    "BACKUP DATABASE kapelle TO File('{path}.backup')",
    "RESTORE DATABASE kapelle FROM File('{path}.backup')",
    "COPY (SELECT 1) TO '{path}.out'",
    "SYSTEM SHUTDOWN",
    "SYSTEM KILL",
    "SYSTEM STOP MERGES",
    "SYSTEM/**/STOP LISTEN",
    "SYSTEM FLUSH LOGS",
    "SYSTEM DROP DATABASE REPLICA 'x'",
    "(SELECT file('{path}'))",
    "FROM file('{path}', LineAsString) SELECT *",
    "SET allow_introspection_functions = 1",
]

HONEST = [
    "SELECT 'file('",
    "SELECT 'SELECT file(''/etc/passwd'') INTO OUTFILE ''x'''",
    "SELECT 'url(\\'http://x\\')' AS `from infile`",
    "SELECT 1 /* file('/etc/passwd') */ -- url('x')\n + 1",
    "SELECT domain('http://example.test/file(1)'), extractURLParameter('http://example.test/?url=1', 'url')",
    "SELECT {x:String} AS x",
    "SELECT engine FROM system.tables WHERE engine = 'URL' LIMIT 1",
    "SELECT sum(number) FROM numbers(10)",
    "SELECT count() FROM merge('kapelle', '^guard_t$')",
    "WITH 1 AS source SELECT source",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "SELECT tuple(1, 'a').1, [1, 2][1], 1.5e-3, 0xff, -1, now() - INTERVAL 1 DAY",
    'SELECT 1 AS "a""b", 2 AS `c``d`',
    "SHOW TABLES",
    "EXISTS TABLE guard_t",
    "EXPLAIN SELECT 1",
    "DESCRIBE TABLE guard_t",
    "CREATE TABLE IF NOT EXISTS guard_r (a Int8, url String) ENGINE = ReplacingMergeTree ORDER BY a",
    "INSERT INTO guard_r (a, url) VALUES (1, 'file(')",
    (
        "CREATE OR REPLACE DICTIONARY guard_map (a Int8, url String) PRIMARY KEY a"
        " SOURCE(CLICKHOUSE(DB 'kapelle' TABLE 'guard_r')) LAYOUT(HASHED()) LIFETIME(0)"
    ),
    "SYSTEM RELOAD DICTIONARY guard_map",
    "SELECT dictGet('kapelle.guard_map', 'url', toUInt64(1))",
    "ALTER TABLE guard_r DELETE WHERE a = 5",
    "DELETE FROM guard_r WHERE a = 5",
    "OPTIMIZE TABLE guard_r FINAL",
    "KILL QUERY WHERE query_id = 'none'",
    "TRUNCATE TABLE guard_r",
    "DROP DICTIONARY guard_map",
    "DROP TABLE guard_r SYNC",
]


@pytest.fixture(scope="module")
def secret(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("secret") / "secret.txt"
    path.write_text(SECRET)
    assert host.post("CREATE TABLE guard_t (a String) ENGINE = Memory").status == 200
    return path


@pytest.mark.parametrize("sql", WAYS_OUT)
def test_a_way_out_is_refused(host: Host, secret: Path, sql: str) -> None:
    answer = host.post(sql.format(path=secret))
    assert answer.status >= 400, answer.text
    assert SECRET not in answer.text
    assert not list(secret.parent.glob("*.out*"))
    assert SECRET not in host.post("SELECT * FROM guard_t").text


@pytest.mark.parametrize("sql", HONEST)
def test_an_honest_statement_passes(host: Host, secret: Path, sql: str) -> None:
    answer = host.post(sql, param_x="file('/etc/passwd')")
    assert answer.status == 200, answer.text


def test_parameters_and_settings_open_no_way_out(host: Host, secret: Path) -> None:
    named = host.post(f"SELECT arrayMap({{f:Identifier}}, ['{secret}'])", param_f="file")
    assert named.code == DENIED
    assert host.post("SELECT 1", additional_result_filter=f"file('{secret}') != ''").code == 452
    assert host.post("SELECT 1", format_template_resultset=str(secret), default_format="Template").code == 452
    assert host.post(f"(file('{secret}'))", query="INSERT INTO guard_t VALUES").status >= 400
    assert host.post("SELECT 1", database="`; SELECT 1").status >= 400
    assert host.post("SELECT currentUser()", user="admin").text == "default\n"
    assert SECRET not in host.post("SELECT * FROM guard_t").text


def test_the_engine_lists_no_table_function_that_the_guard_forgets(host: Host) -> None:
    allowed = {"numbers", "zeros", "merge", "view", "loop", "primes", "dictionary", "mergetreeindex"}
    names = host.post("SELECT name FROM system.table_functions").text.split()
    assert len(names) > 50
    for name in names:
        answer = host.post(f"SELECT * FROM {name}('x')")
        if answer.code != DENIED:
            assert name.lower().startswith(tuple(allowed)) or name.lower().startswith("generate"), (name, answer.text)


@given(
    gap=st.lists(st.sampled_from([" ", "\n", "\t", "\r\n", "/**/", "/* ' */", "-- '\n", "# `\n"]), max_size=4).map(
        "".join
    ),
    quote=st.sampled_from(["{}", "`{}`", '"{}"']),
    before=st.sampled_from(["SELECT 1,", "SELECT 'x''y',", "SELECT '\\\\',", "WITH 1 AS a SELECT", "SELECT `a``b`,"]),
    name=st.sampled_from(["file", "url", "Remote", "s3", "EXECUTABLE", "python"]),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_gap_quote_or_neighbor_hides_a_call(gap: str, quote: str, before: str, name: str) -> None:
    sql = f"{before} {quote.format(name)}{gap}('x')"
    with pytest.raises(EngineFault):
        Guard().check(list(tokens(sql)), {})


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_may_stand_in_a_literal(text: str) -> None:
    literal = "'" + text.replace("\\", "\\\\").replace("'", "''") + "file('"
    assert [token.kind for token in tokens(f"SELECT {literal}")] == ["word", "text"]
    Guard().check(list(tokens(f"SELECT {literal}")), {})
