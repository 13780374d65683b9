"""Writes the engine's own configuration: memory, limits, and the grants that are the first wall of safety."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from kapelle.kernel.config import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MIB = 1024 * 1024
_SMALLEST = 256 * _MIB
_UNITS = {"": 1, "k": 1024, "m": _MIB, "g": 1024 * _MIB}

# No READ or WRITE on any source and no TABLE ENGINE grant: url, file, remote, s3, ... fail inside the engine.
_GRANTS = (
    "GRANT SELECT, INSERT, ALTER TABLE, ALTER VIEW, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE DICTIONARY, "
    "CREATE FUNCTION, CREATE TEMPORARY TABLE, DROP, TRUNCATE, OPTIMIZE, SHOW TABLES, SHOW COLUMNS, SHOW DICTIONARIES, "
    "SHOW DATABASES, dictGet, KILL QUERY, SYSTEM RELOAD DICTIONARY, CHECK ON *.*"
)
# Settings that carry SQL, a file's path or another dialect in a string, where no token check can see it.
_FIXED = (
    "dialect",
    "additional_result_filter",
    "additional_table_filters",
    "parallel_replicas_custom_key",
    "format_template_resultset",
    "format_template_row",
    "format_schema",
    "format_schema_source",
    "input_format_values_interpret_expressions",
    "input_format_values_deduce_templates_of_expressions",
    "allow_introspection_functions",
)


@dataclass(frozen=True)
class Limits:
    """What the engine may use. Bytes and seconds."""

    memory: int
    running: int
    waiting: int = 64
    seconds: int = 600
    buffered_answer: int = 256 * _MIB
    """Largest answer in a format that cannot be streamed (JSON, Arrow, ...)."""

    @property
    def query_memory(self) -> int:
        return self.memory * 7 // 10


def limits(environ: Mapping[str, str]) -> Limits:
    """Read KAPELLE_COLUMNAR_MEMORY (bytes, or with k, m, g); a quarter of the machine's memory by default."""
    text = (environ.get("KAPELLE_COLUMNAR_MEMORY") or "").strip().lower()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    if text:
        digits = text.rstrip("kmgb")
        unit = text[len(digits) :].removesuffix("b")
        if not digits.isdigit() or unit not in _UNITS:
            raise ConfigInvalid(f"KAPELLE_COLUMNAR_MEMORY is {text!r}, but it must be a size such as 1g or 800m.")
        memory = int(digits) * _UNITS[unit]
    return Limits(memory=max(memory, _SMALLEST), running=max(8, 4 * (os.cpu_count() or 1)))


def write(folder: Path, store: Path, limit: Limits) -> Path:
    """Write the engine's two XML files into `folder`; gives the path for `config-file=`."""
    fixed = "".join(f"<{name}><readonly/></{name}>" for name in _FIXED)
    users = folder / "columnar-users.xml"
    users.write_text(
        f"""<clickhouse>
  <profiles><default>
    <max_memory_usage>{limit.query_memory}</max_memory_usage>
    <max_execution_time>{limit.seconds}</max_execution_time>
    <max_bytes_before_external_group_by>{limit.query_memory // 2}</max_bytes_before_external_group_by>
    <max_bytes_before_external_sort>{limit.query_memory // 2}</max_bytes_before_external_sort>
    <join_algorithm>direct,parallel_hash,grace_hash</join_algorithm>
    <max_query_size>16777216</max_query_size>
    <input_format_values_interpret_expressions>0</input_format_values_interpret_expressions>
    <input_format_values_deduce_templates_of_expressions>0</input_format_values_deduce_templates_of_expressions>
    <allow_introspection_functions>0</allow_introspection_functions>
    <constraints>{fixed}
      <max_memory_usage><min>1048576</min><max>{limit.memory}</max></max_memory_usage>
      <max_execution_time><min>0.001</min><max>14400</max></max_execution_time>
    </constraints>
  </default></profiles>
  <quotas><default/></quotas>
  <users><default>
    <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
    <grants><query>{_GRANTS}</query></grants>
  </default></users>
</clickhouse>
""",
        encoding="utf-8",
    )
    config = folder / "columnar-engine.xml"
    config.write_text(
        f"""<clickhouse>
  <users_config>{escape(str(users))}</users_config>
  <user_files_path>{escape(str(store / "nothing"))}/</user_files_path>
  <max_server_memory_usage>{limit.memory}</max_server_memory_usage>
  <mark_cache_size>{min(limit.memory // 10, 256 * _MIB)}</mark_cache_size>
  <merge_tree><max_suspicious_broken_parts>0</max_suspicious_broken_parts></merge_tree>
</clickhouse>
""",
        encoding="utf-8",
    )
    return config
