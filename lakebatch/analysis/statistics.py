"""Statistics of results: means with intervals, paired differences, p-values. Frames in, frames out.

The experimental unit is one random split of one assembly: levels, feature sets and models of a split share its
patients, so they are averaged or paired, never counted as independent. (The axis and the groups of an experiment with
roles of its own take the place of level, feature set and model.) The splits of an assembly overlap, too:
the variance of their mean is corrected for that as Nadeau and Bengio (2003, doi:10.1023/A:1024068626366) propose,

    variance of the mean = s^2 * (1 / splits + n_test / n_train / assemblies).

Repeats without the sizes of a split, such as those of a simulation, are independent and need no correction. With
``unit="assembly"`` each assembly counts once, which needs several assemblies and no correction.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from lakebatch.analysis import ratios
from lakebatch.assembly.metrics import Axis, Roles, text_of

Unit: TypeAlias = Literal["split", "assembly"]

UNITS: tuple[Unit, ...] = ("split", "assembly")
CONFIDENCE = 0.95
SPLIT = ("assembly_id", "repeat")
BUILT_IN = Roles()


def at_baseline(axis: Axis) -> pl.Expr:
    """Select the rows at the baseline; none if the axis has none."""
    if axis.baseline is None:
        return pl.lit(False)
    if not axis.is_number:
        return pl.col(axis.name).cast(pl.String) == text_of(axis.baseline)
    dtype = pl.Float32() if axis.type == "float" else pl.Float64()
    return pl.col(axis.name).cast(dtype) == pl.lit(axis.baseline, dtype)


def intervals(
    rows: pl.DataFrame, metric: str, by: Sequence[str], *, unit: Unit = "split", roles: Roles = BUILT_IN
) -> pl.DataFrame:
    """Return the mean of a metric in each group with its 95 % interval.

    Parameters
    ----------
    rows : frame
        Rows of ``results``; those without the metric are left out.
    by : column names
        The columns that define a group, e.g. ``["feature_set", "level"]``.

    Returns
    -------
    frame, one row per group
        ``by`` and `ESTIMATE`; low and high are NULL with a single unit, cohort_std with a single cohort.
    """
    return estimates(_values(rows, metric, roles), by, unit).select(*by, *ESTIMATE)


def degradation(
    rows: pl.DataFrame, metric: str, by: Sequence[str], *, unit: Unit = "split", roles: Roles = BUILT_IN
) -> pl.DataFrame:
    """Return the change of a metric from the baseline of the same assembly, feature set, model and split.

    Returns
    -------
    frame, one row per group and level other than the baseline
        ``by``, level, baseline, `ESTIMATE` (of the difference), relative (to the size of the baseline), p_value,
        p_holm. Empty where no fit has a baseline.
    """
    keys = _keys("assembly_id", *roles.groups, "repeat")
    values = _one_each(_values(rows, metric, roles), _keys(*keys, roles.axis.name))
    baseline = values.filter(at_baseline(roles.axis)).select(*keys, baseline="value")
    pairs = values.filter(~at_baseline(roles.axis)).join(
        baseline, on=keys, nulls_equal=True, maintain_order="left"
    )
    groups = _keys(*by, roles.axis.name)
    means = pairs.group_by(groups, maintain_order=True).agg(pl.col("baseline").mean())
    tested = estimates(pairs.with_columns(value=pl.col("value") - pl.col("baseline")), groups, unit)
    joined = tested.join(means, on=groups, nulls_equal=True).sort(groups)
    return joined.select(
        *groups,
        "baseline",
        *ESTIMATE,
        relative=pl.when(pl.col("baseline") != 0).then(pl.col("mean") / pl.col("baseline").abs()),
        p_value="p_value",
        p_holm=holm(joined["p_value"]),
    )


def comparisons(
    rows: pl.DataFrame, metric: str, *, of: str = "feature_set", unit: Unit = "split", roles: Roles = BUILT_IN
) -> pl.DataFrame:
    """Return a comparison of every two feature sets (or models), from paired fits that share everything else.

    Returns
    -------
    frame, one row per pair
        one, other, `ESTIMATE` (of one minus other), p_value (paired t test), p_holm (corrected for the number of
        pairs, Holm 1979).
    """
    cell = _keys("assembly_id", roles.axis.name, *roles.groups, "repeat")
    values, keys = _one_each(_values(rows, metric, roles), cell), [key for key in cell if key != of]
    found = [
        estimates(_differences(values, of, pair, keys), ["one", "other"], unit)
        for pair in combinations(values[of].drop_nulls().unique().sort(), 2)
    ]
    pairs = pl.concat(found) if found else estimates(_no_differences(values), ["one", "other"], unit)
    return pairs.select("one", "other", *ESTIMATE, "p_value", p_holm=holm(pairs["p_value"]))


def sensitivity(
    rows: pl.DataFrame, metric: str, *, unit: Unit = "split", roles: Roles = BUILT_IN
) -> pl.DataFrame:
    """Return the slope of a metric on the level for each feature set and model, the worst last.

    Returns
    -------
    frame
        feature_set, model, slope and r2 of the regression over all fits, low and high (95 % interval from
        the slopes of single units), fits. NULL where there are fewer than two levels. Empty where levels are no numbers.
    """
    cell = list(roles.groups)
    values = (
        _values(rows, metric, roles).drop_nulls(roles.axis.name).with_columns(position=_number(roles.axis))
    )
    overall = values.group_by(cell, maintain_order=True).agg(
        slope=SLOPE, r2=pl.corr("position", "value") ** 2, fits=pl.len()
    )
    keys = _keys(*cell, *(SPLIT if unit == "split" else SPLIT[:1]))
    single = (
        values.group_by(keys, maintain_order=True)
        .agg(value=SLOPE, overlap=pl.col("overlap").mean())
        .drop_nulls("value")
    )
    if unit == "assembly":
        single = single.with_columns(repeat=pl.lit(0))
    spread = estimates(single, cell, unit).select(*cell, half=(pl.col("high") - pl.col("low")) / 2)
    return (
        overall.join(spread, on=cell, how="left", nulls_equal=True)
        .with_columns(pl.col("slope", "r2").fill_nan(None))
        .select(
            *cell,
            "slope",
            low=pl.col("slope") - pl.col("half"),
            high=pl.col("slope") + pl.col("half"),
            r2="r2",
            fits="fits",
        )
        .sort(
            ["slope", *cell],
            descending=[roles.metric(metric).higher_is_better, *(False for _ in cell)],
            nulls_last=True,
        )
    )


def robustness(
    rows: pl.DataFrame, metric: str, roles: Roles = BUILT_IN, *, unit: Unit = "split"
) -> pl.DataFrame:
    """Return feature sets and models ranked by how much of a metric is kept under perturbation, the best first.

    It is the mean under perturbation over that at the baseline; where less is better, the other way round.

    Returns
    -------
    frame
        rank (NULL without robustness, and where it is weak), feature_set, model, baseline, perturbed, robustness (NULL
        where the baseline or, where less is better, the mean under perturbation is not above 0), low and high (see
        `lakebatch.analysis.ratios.with_interval`), weak (whether the baseline or the denominator does not differ from
        0; those stand last), units. Splits without a baseline are left out.
    """
    cell = list(roles.groups)
    whole, part = (
        ("baseline", "perturbed") if roles.metric(metric).higher_is_better else ("perturbed", "baseline")
    )
    pairs = _baseline_pairs(_values(rows, metric, roles), cell, roles.axis, unit)
    means = ratios.with_interval(pairs, cell, part, whole, CONFIDENCE)
    ratio = pl.when(pl.col("baseline") > 0, pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))
    weak = ~(pl.col("part_differs" if part == "baseline" else "whole_differs") & pl.col("whole_differs"))
    known = means.with_columns(robustness=ratio, weak=weak.fill_null(False))
    ranked = known.with_columns(rank=pl.when(~pl.col("weak")).then("robustness").rank("min", descending=True))
    return ranked.sort([pl.col("robustness").is_null(), "weak", "rank", *cell], nulls_last=True).select(
        "rank", *cell, "baseline", "perturbed", "robustness", "low", "high", "weak", "units"
    )


def _baseline_pairs(values: pl.DataFrame, cell: list[str], axis: Axis, unit: Unit) -> pl.DataFrame:
    """Return the means of each unit at the baseline and elsewhere, for units that have both."""
    is_baseline, keys = at_baseline(axis), _keys(*SPLIT, *cell)
    splits = values.group_by(keys, maintain_order=True).agg(
        baseline=pl.col("value").filter(is_baseline).mean(),
        perturbed=pl.col("value").filter(~is_baseline).mean(),
        overlap=pl.col("overlap").mean(),
    )
    pairs = splits.drop_nulls(["baseline", "perturbed"])
    if unit == "split":
        return pairs
    whole = pairs.group_by(_keys(SPLIT[0], *cell), maintain_order=True)
    return whole.agg(pl.col("baseline", "perturbed").mean(), overlap=pl.lit(0.0))


def holm(p_values: pl.Series) -> pl.Series:
    """Return p-values corrected for their number (Holm 1979); NULL stays NULL and does not count.

    >>> holm(pl.Series([0.01, 0.04, None, 0.03])).round(6).to_list()
    [0.03, 0.06, None, 0.06]
    """
    known = p_values.drop_nulls().to_numpy()
    order = np.argsort(known)
    scaled = known[order] * np.arange(len(known), 0, -1)
    corrected = np.empty_like(known)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    supply = iter(corrected)
    return pl.Series(
        p_values.name,
        [None if value is None else float(next(supply)) for value in p_values],
        dtype=pl.Float64,
    )


COUNTS = ("units", "assemblies", "fits")
BETWEEN = ("cohorts", "cohort_std", "cohort_min", "cohort_max")
ESTIMATE = ("mean", "low", "high", *COUNTS, *BETWEEN)
"""The columns of an estimate: the last four are the number of cohorts and the spread of their means."""

SLOPE = (
    pl.when(pl.col("position").n_unique() > 1)
    .then(pl.cov("position", "value") / pl.col("position").var())
    .otherwise(None)
)


def _keys(*names: str) -> list[str]:
    """Return names of columns, each once: a group can be one of the keys of a unit."""
    return list(dict.fromkeys(names))


def _number(axis: Axis) -> pl.Expr:
    """Return the values of an axis as numbers; NULL where they are none."""
    return pl.col(axis.name).cast(pl.Float64) if axis.is_number else pl.lit(None, pl.Float64)


def _values(rows: pl.DataFrame, metric: str, roles: Roles) -> pl.DataFrame:
    roles.metric(metric)  # raises if there is none of this name
    named = [name for name in ("cohort", "config") if name in rows.columns]
    return rows.drop_nulls(metric).select(
        *_keys(*SPLIT, *named, roles.axis.name, *roles.groups),
        value=pl.col(metric),
        overlap=pl.col("n_test") / pl.col("n_train"),
    )


def _one_each(values: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Return one value for each unit and cell: the mean where rows have no repeat to tell them apart."""
    if values.select(keys).is_unique().all():
        return values
    others = [name for name in values.columns if name not in keys and name not in ("value", "overlap")]
    return values.group_by(keys, maintain_order=True).agg(
        pl.col(others).first(), pl.col("value", "overlap").mean()
    )


def _differences(values: pl.DataFrame, of: str, pair: tuple[str, str], keys: Sequence[str]) -> pl.DataFrame:
    one, other = (values.filter(pl.col(of) == name) for name in pair)
    joined = one.join(
        other.select(*keys, subtracted="value"), on=keys, nulls_equal=True, maintain_order="left"
    )
    difference = pl.col("value") - pl.col("subtracted")
    return joined.with_columns(value=difference, one=pl.lit(pair[0]), other=pl.lit(pair[1]))


def _no_differences(values: pl.DataFrame) -> pl.DataFrame:
    name = pl.lit(None, dtype=pl.String)
    return values.clear().with_columns(one=name, other=name)


def estimates(values: pl.DataFrame, by: Sequence[str], unit: Unit) -> pl.DataFrame:
    """Return the mean of each group over its units, with interval and p-value of the t test against 0."""
    groups = list(by)
    units = _units(values, groups, unit)
    n, assemblies = pl.len(), pl.col("assembly_id").n_unique()
    found = units.group_by(groups, maintain_order=True).agg(
        mean=pl.col("value").mean(),
        error=pl.col("value").std() * (1 / n + pl.col("overlap").mean().fill_null(0.0) / assemblies).sqrt(),
        units=n,
        assemblies=assemblies,
        fits=pl.col("fits").sum(),
    )
    found = found.join(_between(units, groups), on=groups, nulls_equal=True, maintain_order="left")
    return _with_t_test(found).sort(groups)


def _units(values: pl.DataFrame, groups: list[str], unit: Unit) -> pl.DataFrame:
    """Return the mean of each unit of each group, with its cohort: the assembly, unless a column names another."""
    cohort = pl.col("cohort" if "cohort" in values.columns else "assembly_id").first()
    units = values.group_by(*groups, *(key for key in SPLIT if key not in groups), maintain_order=True).agg(
        pl.col("value").mean(), pl.col("overlap").mean(), fits=pl.len(), of_cohort=cohort
    )
    if unit == "split":
        return units
    return units.group_by(*groups, "assembly_id", maintain_order=True).agg(
        pl.col("value").mean(),
        overlap=pl.lit(0.0),
        fits=pl.col("fits").sum(),
        of_cohort=pl.col("of_cohort").first(),
    )


def _between(units: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
    """Return the number of cohorts in each group, and the spread of their means."""
    mean = pl.col("mean")
    means = units.group_by(*groups, "of_cohort", maintain_order=True).agg(mean=pl.col("value").mean())
    return means.group_by(groups, maintain_order=True).agg(
        cohorts=pl.len(), cohort_std=mean.std(), cohort_min=mean.min(), cohort_max=mean.max()
    )


def _with_t_test(found: pl.DataFrame) -> pl.DataFrame:
    from scipy import stats  # slow to import

    mean, error = (found[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in ("mean", "error"))
    freedom = np.maximum(found["units"].to_numpy().astype(float) - 1, 1)
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, freedom) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        p_value = 2 * stats.t.sf(np.abs(mean / error), freedom)
    columns = {"low": mean - half, "high": mean + half, "p_value": p_value}
    return found.with_columns(pl.Series(name, each).fill_nan(None) for name, each in columns.items())
