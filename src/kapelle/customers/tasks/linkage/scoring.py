"""Finds the pairs worth a look: blocks, learns from the workspace's own records, scores by splink in DuckDB."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from kapelle.customers.tasks.linkage import blocking, mixture, model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kapelle.customers.tasks.linkage.options import Options
    from kapelle.customers.tasks.linkage.records import Records

logging.getLogger("splink").setLevel(logging.ERROR)

FAMILY = "family"
_FEW = 2
_SAMPLED_PAIRS = 500_000  # from which it is learned how often strangers agree
_TRUST = 20_000  # so many pairs weigh the model's own figures beside those learned
_RARITY_FROM = 2_000  # records; among fewer every name is rare
_CHUNK = 100_000  # records on the left side at once
_FAINT = -10.0  # weight under the first guess below which a pair is surely one of strangers
_TOLD = 0.05  # bits: a family's part below this is not worth a word


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records that may be one person. `reasons`: (field, level, weight) of what both say."""

    one: str
    other: str
    weight: float
    reasons: list[tuple[str, str, float]]


@dataclass(frozen=True, slots=True)
class Scored:
    """All pairs at or above the threshold, the best first, and figures on how they were found."""

    pairs: list[Pair]
    figures: dict[str, Any]


def score(records: Records, options: Options) -> Scored:
    """Score all pairs that share a key."""
    began = time.monotonic()
    count = records.table.num_rows
    figures: dict[str, Any] = {"records": count, "attributes": records.attributes}
    if count < _FEW:
        return Scored([], figures)
    with duckdb.connect(config=_bounds(options)) as database:
        is_cut = blocking.load(database, records)
        fields = model.fields(len(records.attributes))
        linker = _linker(database, fields, list(is_cut), count)
        figures |= {"cut_keys": [name for name in is_cut if is_cut[name]], "learned_after": _since(began)}
        table = linker.inference.predict(
            threshold_match_weight=_FAINT,
            num_chunks_left=math.ceil(count / _CHUNK),
            num_chunks_right=1,
            warning_mode="never",
        ).physical_name
        evidence = {field.name: _evidence(field, rarity=count >= _RARITY_FROM) for field in fields}
        everything = " + ".join(evidence.values())
        home = mixture.home_bits(database, evidence)
        kinds = mixture.learn(database, table, everything, home, count)
        rows = database.execute(
            f"""
            SELECT l.id, r.id, {kinds.weight(everything, home)} AS weight, {everything} + {math.log2(kinds.same)},
                   {", ".join(f"gamma_{name}, {bits}" for name, bits in evidence.items())}
            FROM {table} JOIN records l ON l.unique_id = unique_id_l JOIN records r ON r.unique_id = unique_id_r
            WHERE weight >= {options.threshold} ORDER BY weight DESC, l.id, r.id LIMIT {options.limit}
            """
        ).fetchall()
        (near,) = database.execute(f"SELECT count(*) FROM {table}").fetchall()[0]
    strangers = count * (count - 1) / 2
    figures |= {"near_pairs": near, "same": round(kinds.same * strangers), "family": round(kinds.family * strangers)}
    labels = [*(field.name for field in fields if not field.name.startswith("attribute_"))]
    labels += [f"attributes.{name}" for name in records.attributes]
    pairs = [_pair(row, fields, labels) for row in rows]
    return Scored(pairs, {**figures, "seconds": _since(began)})


def _bounds(options: Options) -> dict[str, Any]:
    return {
        "memory_limit": options.memory,
        "threads": options.threads,
        "temp_directory": options.folder,
        "preserve_insertion_order": False,
    }


def _linker(
    database: duckdb.DuckDBPyConnection, fields: Sequence[model.Field], keys: Sequence[str], count: int
) -> Linker:
    """The model, with what was learned of how often strangers agree."""
    table = DuckDBAPI(database).register("records")
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[model.comparison(field, rarity=count >= _RARITY_FROM) for field in fields],
        blocking_rules_to_generate_predictions=[block_on(f"key_{name}") for name in keys],
        probability_two_random_records_match=1 / count,
        retain_matching_columns=True,
        retain_intermediate_calculation_columns=True,
    )
    learner = Linker(table, settings, log_level=None)
    learner.training.estimate_u_using_random_sampling(max_pairs=_SAMPLED_PAIRS, seed=1)
    learned = learner.misc.save_model_to_json()
    pairs = min(count * (count - 1) / 2, _SAMPLED_PAIRS)
    for field, comparison in zip(fields, learned["comparisons"], strict=True):
        for level, trained in zip(field.levels, comparison["comparison_levels"][1:], strict=True):
            weight = 0 if level.fixed else pairs
            trained["u_probability"] = (trained["u_probability"] * weight + level.u * _TRUST) / (weight + _TRUST)
    return Linker(table, learned, log_level=None)


def _evidence(field: model.Field, *, rarity: bool) -> str:
    """SQL: the bits that the field adds, with what its rarity adds."""
    is_adjusted = rarity and any(level.rare for level in field.levels)
    return f"mw_{field.name} + mw_tf_adj_{field.name}" if is_adjusted else f"mw_{field.name}"


def _pair(row: Sequence[Any], fields: Sequence[model.Field], labels: Sequence[str]) -> Pair:
    one, other, weight, alone, *evidence = row
    reasons = []
    for field, label, gamma, bits in zip(fields, labels, evidence[::2], evidence[1::2], strict=True):
        if gamma >= 0:  # -1: one side says nothing
            reasons.append((label, field.levels[len(field.levels) - 1 - gamma].name, round(bits, 2)))
    if alone - weight > _TOLD:
        reasons.append((FAMILY, FAMILY, round(weight - alone, 2)))
    return Pair(min(one, other), max(one, other), round(weight, 2), reasons)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 1)
