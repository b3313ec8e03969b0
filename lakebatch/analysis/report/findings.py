"""The sections of a report with findings: results, pictures, statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import polars as pl

from lakebatch._text import one_line
from lakebatch.analysis import statistics
from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.plots import Options, Picture
from lakebatch.analysis.plots.captions import between
from lakebatch.analysis.plots.options import By
from lakebatch.analysis.report.content import Figure, Section, SectionPart
from lakebatch.analysis.report.tables import BETWEEN, Table, table, wide
from lakebatch.assembly import metrics
from lakebatch.errors import AssemblyError, ExperimentError, IncompleteError

CELL = {"feature_set": "feature set", "model": "model"}
INTERVAL = {"low": "95 % from", "high": "to"}
CONFIG = {"config": "config"}
COUNTS_OF_LEVEL = {"assemblies": "assemblies", "cohorts": "cohorts", "cohort_std": BETWEEN}
COUNTS = {"units": "units", "assemblies": "assemblies", "fits": "fits"}
TESTED = {"cohort_std": BETWEEN, **COUNTS, "p_value": "p", "p_holm": "p (Holm)"}

Draw: TypeAlias = Callable[[str, Options], Picture]
"""Draws a picture of a kind."""

REPORT_PICTURES: tuple[tuple[str, By], ...] = (
    ("levels", "feature_set"),
    ("levels", "model"),
    ("grid", "model"),
    ("boxes", "feature_set"),
    ("degradation", "feature_set"),
    ("degradation", "model"),
    ("sensitivity", "feature_set"),
    ("robustness", "feature_set"),
    ("comparison", "feature_set"),
    ("growth", "feature_set"),
    ("trajectories", "feature_set"),
    ("network", "feature_set"),
)
"""The pictures of a report, each with the column that its colours show."""
CONFIG_PICTURES: tuple[tuple[str, By], ...] = tuple(
    (kind, "config") for kind in ("levels", "grid", "boxes", "degradation")
)
"""The pictures that a report by config adds."""


def results_section(data: AnalysisData, options: Options) -> Section:
    """Return tables of the metric by level, feature set and model."""
    metric, rows = options.metric, data.rows.drop_nulls("level")
    if rows.drop_nulls(metric).is_empty():
        return Section("results", "Results", (f"There is no fit with {metrics.label(metric)}.",))
    value = pl.col(metric)
    of_cohorts = statistics.intervals(rows, metric, ["level"], unit=options.unit)
    overall = (
        rows.group_by("level")
        .agg(
            fits=pl.len(),
            missing=value.null_count(),
            mean=value.mean(),
            std=value.std(),
            min=value.min(),
            max=value.max(),
        )
        .join(of_cohorts.select("level", *COUNTS_OF_LEVEL), on="level", how="left")
    )
    names = {
        "level": "level",
        "fits": "fits",
        "missing": "without metric",
        "mean": "mean",
        "std": "std",
        "min": "min",
        "max": "max",
        **COUNTS_OF_LEVEL,
    }
    parts: list[SectionPart] = [
        table(
            overall.sort("level"),
            f"{metrics.label(metric)} by level, over all feature sets and models",
            names,
        )
    ]
    for of, heading in (CELL | CONFIG if options.by == "config" else CELL).items():
        named = rows.drop_nulls(of)
        found = statistics.intervals(named, metric, [of, "level"], unit=options.unit)
        what = f"Mean {metrics.label(metric)} by {heading} and level, with 95 % interval"
        caption = f"{what}. {between(found, named, options)}"
        empty = named.group_by(of).agg(value.count()).filter(value == 0)[of].sort().to_list()
        units = "splits" if options.unit == "split" else "units"
        parts.append(wide(found, caption, of, heading, unmeasured=empty, units=units))
    return Section("results", "Results", tuple(parts))


def picture_section(draw: Draw, options: Options) -> Section:
    """Return every picture that can be drawn, and the reasons for the others."""
    parts = [
        figure(draw, kind, Options(metric=_metric(kind, options), by=by, unit=options.unit))
        for kind, by in (*REPORT_PICTURES, *(CONFIG_PICTURES if options.by == "config" else ()))
    ]
    return Section("pictures", "Pictures", tuple(parts))


def _metric(kind: str, options: Options) -> str:
    is_ranked = kind != "robustness" or options.metric in metrics.ranked()
    return options.metric if is_ranked else metrics.DEFAULT


def figure(draw: Draw, kind: str, options: Options) -> Figure | str:
    """Return a picture, or the reason why it cannot be drawn."""
    try:
        picture = draw(kind, options)
    except (IncompleteError, AssemblyError, ExperimentError) as error:
        return f"No picture of {kind}: {one_line(str(error))}"
    chart = picture.chart
    name = kind if options.by == "feature_set" else f"{kind}-by-{options.by}"
    return Figure(
        name,
        one_line(chart.title),
        one_line(" ".join([chart.caption, *chart.notes])),
        one_line(chart.description()),
        picture,
    )


def statistics_section(data: AnalysisData, options: Options) -> Section:
    """Return tests and rankings."""
    metric, rows = metrics.label(options.metric), data.rows.drop_nulls(["level", "feature_set", "model"])
    parts: list[SectionPart] = [_method(options), _scope(data.rows)]
    compared = statistics.comparisons(rows, options.metric, unit=options.unit)
    if not compared.is_empty():
        names = {"one": "feature set", "other": "minus", "mean": "mean difference", **INTERVAL, **TESTED}
        parts.append(table(compared, f"Feature sets compared by {metric}: paired t test", names))
    changed = statistics.degradation(rows, options.metric, ["feature_set"], unit=options.unit)
    if changed.is_empty():
        parts.append(
            "There is no baseline (level 0) to compare with, so there is no degradation and no ranking."
        )
        return Section("statistics", "Statistics", tuple(parts))
    names = {
        "feature_set": "feature set", "level": "level", "baseline": "baseline", "mean": "mean change", **INTERVAL,
        "relative": "relative", **TESTED,
    }  # fmt: skip
    parts.append(table(changed, f"Degradation of {metric} against the baseline: paired t test", names))
    slopes = statistics.sensitivity(rows, options.metric, unit=options.unit)
    names = {**CELL, "slope": "slope", **INTERVAL, "r2": "R² of the regression", "fits": "fits"}
    parts.append(table(slopes, f"Sensitivity: slope of {metric} on the level", names))
    parts += _ranking(rows, options)
    return Section("statistics", "Statistics", tuple(parts))


def _ranking(rows: pl.DataFrame, options: Options) -> list[Table]:
    if options.metric not in metrics.ranked():
        return []
    names = {
        "rank": "rank", **CELL, "baseline": "baseline", "perturbed": "under perturbation", "robustness": "robustness",
    }  # fmt: skip
    return [
        table(
            statistics.robustness(rows, options.metric),
            "Robustness: mean under perturbation over baseline",
            names,
        )
    ]


def _scope(rows: pl.DataFrame) -> str:
    cohorts = rows["cohort"].n_unique()
    if cohorts == 1:
        return (
            "All fits are of one cohort: intervals and tests over its splits hold within this cohort and say nothing "
            "about another."
        )
    return (
        f"The fits are of {cohorts} cohorts: intervals and tests over splits hold within these cohorts. The "
        f"{BETWEEN} is the standard deviation of the means of cohorts."
    )


def _method(options: Options) -> str:
    if options.unit == "assembly":
        return "Each assembly counts once; its fits are averaged. p values are two-sided; Holm's correction is per table."
    return (
        "A unit is one random split of one assembly; fits of one split are averaged or paired, not counted as independent. "
        "Variances are corrected for the overlap of splits (Nadeau and Bengio 2003, doi:10.1023/A:1024068626366). "
        "p values are two-sided; Holm's correction is per table."
    )
