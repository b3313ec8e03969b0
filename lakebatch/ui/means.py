"""Means of the metrics of each assembly, computed once per assembly and server."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import polars as pl

from lakebatch.assembly.metrics import Axis, Metric, Roles, text_of
from lakebatch.lake.lake import Lake
from lakebatch.snapshot.selection import COMPLETED
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta import omissions
from lakebatch.ui import compact

ALL = "all"
"""The value of the axis that stands for the mean over all rows."""
KEYS = {"assembly_id": pl.String(), "counted": pl.Int64(), "at": pl.String()}
# Degrees of freedom above which quantiles of t are given at some only; between them t is linear in 1 / freedom
DENSE = 100
SPARSE = (120, 150, 200, 300, 500, 1_000, 3_000, 10_000, 100_000, 10_000_000)
CONFIDENCE = 0.95


class Means:
    """The means of each completed assembly by experiment, kept while its number of rows stays the same."""

    def __init__(self) -> None:
        self._kept: dict[str, pl.DataFrame] = {}

    def of(self, snapshot: Snapshot) -> pl.DataFrame:
        """Return the mean of each metric by assembly and value of the axis, of the selected statuses.

        Returns
        -------
        frame
            ``assembly_id``, ``at`` (such as ``level=0.1``, or ``all``) and a column per metric.
        """
        ids = snapshot.ids()
        counted = snapshot.counted.rename({"rows": "counted"})
        kept = self._kept.get(snapshot.folder, _empty(snapshot.roles))
        if kept.columns != _empty(snapshot.roles).columns:
            kept = _empty(snapshot.roles)
        valid = kept.join(counted, on=["assembly_id", "counted"], how="semi")
        completed = set(snapshot.ids(COMPLETED))
        lacking = set(ids) - set(valid["assembly_id"].unique())
        fresh = _read(snapshot, lacking & completed, counted)
        self._kept[snapshot.folder] = valid = pl.concat([valid, fresh])
        others = _read(snapshot, lacking - completed, counted)
        return pl.concat([valid, others]).filter(pl.col("assembly_id").is_in(ids)).drop("counted")


_OF_LAKES: WeakKeyDictionary[Lake, Means] = WeakKeyDictionary()


def of_lake(lake: Lake) -> Means:
    """Return the means that are kept of a lake."""
    return _OF_LAKES.setdefault(lake, Means())


def metrics(lake: Lake, snapshots: Mapping[str, Snapshot], at: str = ALL) -> dict[str, Any]:
    """Return the means of every assembly at one value of the axis, by folder, and the values that there are.

    Quantiles of t for 95 % intervals come along, as pairs of degrees of freedom and quantile.
    """
    means = of_lake(lake)
    found: dict[str, pl.DataFrame] = {}
    for name, each in snapshots.items():
        with omissions.warn_and_skip(name):
            if each.table() is not None:
                found[each.folder] = means.of(each)
    judged = [metric for each in snapshots.values() for metric in each.roles.metrics]
    return {
        "at": at,
        "values": values(found.values()),
        "metrics": [_described(each) for each in {each.name: each for each in reversed(judged)}.values()][
            ::-1
        ],
        "folders": {
            folder: _columns(each.filter(at=at).sort("assembly_id")) for folder, each in found.items()
        },
        "quantiles": quantiles(),
    }


def every_value(lake: Lake, snapshots: Mapping[str, Snapshot]) -> list[dict[str, Any]]:
    """Return `metrics` at each value of the axis, for files."""
    first = metrics(lake, snapshots)
    return [first, *(metrics(lake, snapshots, at) for at in first["values"] if at != ALL)]


def quantiles(confidence: float = CONFIDENCE) -> list[tuple[int, float]]:
    """Return two-sided quantiles of the t distribution, by degrees of freedom."""
    from scipy.special import stdtrit  # slow to import

    freedom = [*range(1, DENSE + 1), *SPARSE]
    return [(each, float(stdtrit(each, 0.5 + confidence / 2))) for each in freedom]


def _described(metric: Metric) -> dict[str, Any]:
    return {
        "name": metric.name,
        "label": metric.axis_label,
        "higher": metric.higher_is_better,
    }


def _columns(found: pl.DataFrame) -> dict[str, Any]:
    return {
        name: [compact.plain(each) for each in found[name].to_list()] for name in found.drop("at").columns
    }


def values(found: Collection[pl.DataFrame]) -> list[str]:
    """Return the values of the axes of some means, numbers in their order."""
    texts = dict.fromkeys(each for frame in found for each in frame["at"].unique(maintain_order=True))
    return [ALL, *sorted((each for each in texts if each != ALL), key=_place)]


def first_known(found: pl.DataFrame, roles: Roles) -> str:
    """Return the first metric that has any value; the default one without any."""
    known = (each for each in roles.names if found[each].null_count() < found.height)
    return next(known, roles.default.name)


def _place(value: str) -> tuple[str, float, str]:
    name, _, text = value.partition("=")
    try:
        return name, float(text), ""
    except ValueError:
        return name, 0.0, text


def _empty(roles: Roles) -> pl.DataFrame:
    return pl.DataFrame(schema={**KEYS, **dict.fromkeys(roles.names, pl.Float64())})


def _read(snapshot: Snapshot, ids: Collection[str], counted: pl.DataFrame) -> pl.DataFrame:
    """Return the means of some assemblies, read from the lake; those that cannot be read are left out with a warning."""
    roles = snapshot.roles
    if not ids:
        return _empty(roles)
    keys = list(dict.fromkeys(["assembly_id", roles.axis.name]))
    sums = [pl.col(each).cast(pl.Float64).sum().alias(f"sum {each}") for each in roles.names]
    counts = [pl.col(each).count().alias(f"count {each}") for each in roles.names]
    found = snapshot.collected(
        None, lambda rows: rows.group_by(keys).agg(*sums, *counts), on_gap="ignore", only=ids
    ).sort(keys)  # so that sums have the same last digits each time
    at_each = found.with_columns(at=_text(found[roles.axis.name], roles.axis)).group_by("assembly_id", "at")
    overall = found.group_by("assembly_id")
    means = [
        at_each.agg(*_means(roles)).drop_nulls("at"),
        overall.agg(pl.lit(ALL).alias("at"), *_means(roles)),
    ]
    columns = _empty(roles).columns
    return pl.concat(
        each.join(counted, on="assembly_id", how="left").select(columns).cast(_empty(roles).schema)
        for each in means
    )


def _means(roles: Roles) -> list[pl.Expr]:
    """Return the means of groups of sums and counts; NULL where there is no value."""
    found = []
    for each in roles.names:
        total, count = pl.col(f"sum {each}").sum(), pl.col(f"count {each}").sum()
        found.append(pl.when(count > 0).then(total / count).alias(each))
    return found


def _text(values: pl.Series, axis: Axis) -> pl.Series:
    """Return values of the axis as text with its name, such as ``level=0.1``."""
    texts = {each: f"{axis.name}={text_of(each)}" for each in values.unique().drop_nulls()}
    return values.replace_strict(texts, default=None, return_dtype=pl.String)
