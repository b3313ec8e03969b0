"""What changed between two states of an experiment, or between two of its assemblies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from lakebatch import metrics
from lakebatch.assembly.record import Assembly
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.ids import ASSEMBLY_ID
from lakebatch.snapshot import html as notebook
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.mixture import leaves
from lakebatch.snapshot.moment import NEWEST, parse
from lakebatch.snapshot.pin import pin
from lakebatch.snapshot.snapshot import COMPLETED, Snapshot
from lakebatch.snapshot.times import Time

METRICS = (*metrics.NAMES,)
NOTABLE = 0.01
"""A notebook shows the shifts whose p-value is below."""
GROUP = ("level", "feature_set", "model")
ASSEMBLIES: dict[str, pl.DataType] = {
    "assembly_id": pl.String(),
    "change": pl.String(),
    "status_before": pl.String(),
    "status_after": pl.String(),
    "rows_before": pl.Int64(),
    "rows_after": pl.Int64(),
}
SETTINGS: dict[str, pl.DataType] = {"key": pl.String(), "before": pl.String(), "after": pl.String()}


@dataclass(frozen=True)
class ComparedState:
    """One of two states: a snapshot and those of its assemblies that are compared."""

    name: str
    snapshot: Snapshot
    assemblies: tuple[Assembly, ...]

    @property
    def completed(self) -> list[Assembly]:
        """The assemblies whose rows are compared."""
        return [each for each in self.assemblies if each.status == "completed"]

    def per_repeat(self, on_gap: OnGap) -> pl.DataFrame:
        """Return the mean of each metric per group and repeat, over its completed assemblies, in long form."""

        def long(rows: pl.LazyFrame) -> pl.LazyFrame:
            means = rows.group_by(*GROUP, "repeat").agg(pl.col(METRICS).mean())
            index = [*GROUP, "repeat"]
            return means.unpivot(METRICS, index=index, variable_name="metric", value_name="value").drop_nulls(
                "value"
            )

        ids = [each.assembly_id for each in self.completed]
        return self.snapshot.collected(COMPLETED, long, on_gap=on_gap, only=ids)


@dataclass(frozen=True)
class Difference:
    """What changed from one side to the other.

    Attributes
    ----------
    before, after : str
        What the sides are.
    assemblies : frame
        One row per assembly that was added, removed or changed its status, with its rows.
    config : frame
        One row per key of the configs whose values differ.
    code : frame
        One row per version of code, Python or package that differs.
    metrics : frame
        Per level, feature set, model and metric: the means, their difference, and a paired t-test over
        the repeats that both sides have; ``p`` is NULL where there is nothing to test.
    """

    before: str
    after: str
    assemblies: pl.DataFrame
    config: pl.DataFrame
    code: pl.DataFrame
    metrics: pl.DataFrame

    def _repr_html_(self) -> str:
        shifts = self.metrics.filter(pl.col("p") < NOTABLE)
        return notebook.sections(
            {
                f"From {self.before} to {self.after}: assemblies": self.assemblies,
                "Config": self.config,
                "Code and packages": self.code,
                f"Metrics that shifted, p < {NOTABLE:g} (of {self.metrics.height})": shifts,
            }
        )


def compare(
    tables: ExperimentTables, before: int | Time, after: int | Time = "now", on_gap: OnGap = "warn"
) -> Difference:
    """Return what changed between two versions, times, tags or assemblies.

    Parameters
    ----------
    before, after : int, str or date
        A version, a time, a tag, an assembly id, or ``now``.

    Raises
    ------
    DamageError
        If a file of a compared assembly cannot be read, unless ``on_gap`` is "ignore".
    """
    one, other = _side(tables, before), _side(tables, after)
    return Difference(
        one.name,
        other.name,
        _assemblies(one, other),
        _differing(_settings(one), _settings(other)),
        _differing(_code(one), _code(other)),
        _metrics(one.per_repeat(on_gap), other.per_repeat(on_gap)),
    )


def _side(tables: ExperimentTables, which: int | Time) -> ComparedState:
    text = str(which)
    if ASSEMBLY_ID.fullmatch(text):
        snapshot = pin(tables, NEWEST)
        return ComparedState(text, snapshot, (snapshot.assembly(text),))
    moment = parse(text)
    snapshot = pin(tables, moment)
    return ComparedState(str(moment), snapshot, tuple(snapshot.assemblies))


def _assemblies(before: ComparedState, after: ComparedState) -> pl.DataFrame:
    old = {each.assembly_id: each for each in before.assemblies}
    new = {each.assembly_id: each for each in after.assemblies}
    changed = [key for key in sorted(old.keys() | new.keys()) if _standing(old, key) != _standing(new, key)]
    rows = [
        {
            "assembly_id": key,
            "change": "added" if key not in old else "removed" if key not in new else "changed",
            "status_before": old[key].status if key in old else None,
            "status_after": new[key].status if key in new else None,
            "rows_before": old[key].rows if key in old else 0,
            "rows_after": new[key].rows if key in new else 0,
        }
        for key in changed
    ]
    return pl.DataFrame(rows, schema=ASSEMBLIES)


def _standing(assemblies: Mapping[str, Assembly], key: str) -> tuple[str, int] | None:
    return (assemblies[key].status, assemblies[key].rows) if key in assemblies else None


def _settings(side: ComparedState) -> dict[str, set[str]]:
    """Return which values each key of the config has in the compared assemblies."""
    return _values(dict(leaves(each.settings)) for each in side.assemblies)


def _code(side: ComparedState) -> dict[str, set[str]]:
    """Return which versions of code, Python and packages wrote the compared assemblies."""
    return _values(
        {"code_version": each.code_version, **dict(leaves(each.software))} for each in side.assemblies
    )


def _values(trees: Iterator[dict[str, str]] | Any) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for tree in trees:
        for key, value in tree.items():
            found.setdefault(key, set()).add(value)
    return found


def _differing(before: Mapping[str, set[str]], after: Mapping[str, set[str]]) -> pl.DataFrame:
    rows = [
        {"key": key, "before": _joined(before.get(key)), "after": _joined(after.get(key))}
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    return pl.DataFrame(rows, schema=SETTINGS)


def _joined(values: set[str] | None) -> str | None:
    return None if values is None else " | ".join(sorted(values))


def _metrics(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    pairs = before.join(
        after, on=[*GROUP, "metric", "repeat"], how="inner", nulls_equal=True, suffix="_after"
    )
    shifts = pairs.with_columns((pl.col("value_after") - pl.col("value")).alias("shift"))
    table = (
        shifts.group_by(*GROUP, "metric")
        .agg(
            pl.len().cast(pl.Int64).alias("pairs"),
            pl.col("value").mean().alias("before"),
            pl.col("value_after").mean().alias("after"),
            pl.col("shift").mean(),
            (pl.col("shift").mean() / pl.col("shift").std() * pl.len().sqrt()).alias("t"),
        )
        .with_columns(pl.when(pl.col("t").is_finite()).then("t").alias("t"))
        .sort(*GROUP, "metric")
    )
    return table.with_columns(_p_values(table["t"], table["pairs"]))


def _p_values(t: pl.Series, pairs: pl.Series) -> pl.Series:
    """Return the two-sided p-values of t statistics, NULL where there is none."""
    from scipy.special import stdtr  # slow to import

    values = [
        None if each is None or math.isnan(each) else float(2 * stdtr(count - 1, -abs(each)))
        for each, count in zip(t, pairs, strict=True)
    ]
    return pl.Series("p", values, dtype=pl.Float64)
