"""The sections of a report with findings: results, pictures, statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import polars as pl

from lakebatch._text import one_line
from lakebatch.analysis import statistics
from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.plots import Options, Picture
from lakebatch.analysis.plots.captions import between, capital
from lakebatch.analysis.plots.options import CONFIG, Chosen
from lakebatch.analysis.report.content import Figure, Section, SectionPart
from lakebatch.analysis.report.estimates import main_group, named
from lakebatch.analysis.report.sentences import without_axis
from lakebatch.analysis.report.tables import BETWEEN, Table, table, wide
from lakebatch.analysis.wording import plural
from lakebatch.assembly.metrics import with_unit
from lakebatch.errors import (
    AssemblyError,
    ConfigError,
    ExperimentError,
    IncompleteError,
    UnknownNameError,
)

INTERVAL = {"low": "95 % from", "high": "to"}
COUNTS = {"units": "units", "assemblies": "assemblies", "fits": "fits"}

Draw: TypeAlias = Callable[[str, Options], Picture]
"""Draws a picture of a kind."""

FIRST, LAST = 0, -1
# A group of the experiment, by its place
REPORT_PICTURES: tuple[tuple[str, int], ...] = (
    ("levels", FIRST),
    ("levels", LAST),
    ("grid", LAST),
    ("boxes", FIRST),
    ("degradation", FIRST),
    ("degradation", LAST),
    ("sensitivity", FIRST),
    ("robustness", FIRST),
    ("comparison", FIRST),
    ("growth", FIRST),
    ("trajectories", FIRST),
    ("network", FIRST),
)
"""The pictures of a report, each with the group that its colours show."""
CONFIG_PICTURES = ("levels", "grid", "boxes", "degradation")
"""The pictures that a report by config adds."""
OF_BASELINE = ("degradation", "robustness")
OF_COHORT = ("trajectories", "network")


def results_section(data: AnalysisData, options: Chosen) -> Section:
    """Return tables of the metric along the axis, over all groups and for each."""
    metric, rows, axis = options.metric, data.rows.drop_nulls(data.roles.axis.name), data.roles.axis
    measured = data.rows.drop_nulls(metric)
    if measured.is_empty():
        return Section("results", "Results", (f"There is no {data.words.row} with {options.label}.",))
    if rows.drop_nulls(metric).is_empty():
        return Section("results", "Results", (without_axis(options), *_by_group(measured, options)))
    parts: list[SectionPart] = [_overall(rows, options)]
    for of in _compared(options):
        groups, heading = rows.drop_nulls(of), data.roles.word(of)
        if groups.is_empty():
            continue
        found = statistics.intervals(groups, metric, [of, axis.name], unit=options.unit, roles=data.roles)
        what = f"Mean {options.label} by {heading} and {axis.label}, with 95 % interval"
        caption = f"{what}. {between(found, groups, options)}"
        empty = groups.group_by(of).agg(pl.col(metric).count()).filter(pl.col(metric) == 0)[of].sort()
        units = f"{options.words.unit}s" if options.unit == "split" else "units"
        parts.append(
            wide(
                found, caption, of, heading,
                axis=axis, unmeasured=empty.to_list(), units=units, between=_between(options),
            )
        )  # fmt: skip
    return Section("results", "Results", tuple(parts))


def _compared(options: Chosen) -> list[str]:
    """Return the groups that have a table each, and configs where they are compared."""
    groups = [name for name in options.roles.groups if name != CONFIG]
    return [*groups, CONFIG] if options.by == CONFIG else groups


def _by_group(rows: pl.DataFrame, options: Chosen) -> Iterator[Table]:
    """Yield tables of the means of each group, for rows without an axis."""
    for of in _compared(options):
        groups = rows.drop_nulls(of)
        if groups.is_empty():
            continue
        found = statistics.intervals(groups, options.metric, [of], unit=options.unit, roles=options.roles)
        names = {
            of: options.roles.word(of),
            "mean": "mean",
            **INTERVAL,
            "cohort_std": _between(options),
            **_counts(options),
        }
        yield table(
            found, f"Mean {_with_unit(options)} by {options.roles.word(of)}, with 95 % interval", names
        )


def _overall(rows: pl.DataFrame, options: Chosen) -> Table:
    """Return the mean, spread and range of the metric along the axis, over all groups."""
    value, axis = pl.col(options.metric), options.axis
    of_cohorts = statistics.intervals(
        rows, options.metric, [axis.name], unit=options.unit, roles=options.roles
    )
    overall = (
        rows.group_by(axis.name)
        .agg(
            fits=pl.len(),
            missing=value.null_count(),
            mean=value.mean(),
            std=value.std(),
            min=value.min(),
            max=value.max(),
        )
        .join(of_cohorts.select(axis.name, "assemblies", "cohorts", "cohort_std"), on=axis.name, how="left")
    )
    names = {
        axis.name: axis.axis_label, "fits": f"{options.words.row}s", "missing": "without metric",
        "mean": "mean", "std": "std", "min": "min", "max": "max",
        "assemblies": "assemblies", "cohorts": f"{options.words.cohort}s", "cohort_std": _between(options),
    }  # fmt: skip
    words = [options.roles.word(name) for name in options.roles.groups if name != CONFIG]
    over = f", over all {' and '.join(map(plural, words))}" if words else ""
    label = capital(_with_unit(options)) if options.measured.own else options.label
    label = f"{label} by {axis.label}{over}"
    return table(overall.sort(axis.name), label, names, axis.name)


def _with_unit(options: Chosen) -> str:
    """Return the label of the metric with the unit that an experiment declares."""
    metric = options.measured
    return with_unit(metric.label, metric.unit) if metric.own else metric.label


def _between(options: Chosen) -> str:
    return BETWEEN.replace("cohort", options.words.cohort)


def picture_section(draw: Draw, options: Chosen) -> Section:
    """Return every picture that can be drawn, and the reasons for the others."""
    groups = options.roles.groups
    chosen = dict.fromkeys(
        (kind, groups[place]) for kind, place in REPORT_PICTURES if _applies(kind, options)
    )
    if options.by == CONFIG:
        chosen |= dict.fromkeys((kind, CONFIG) for kind in CONFIG_PICTURES if _applies(kind, options))
    parts = [
        figure(draw, kind, Options(metric=options.metric, by=by, unit=options.unit), is_first=by == groups[0])
        for kind, by in chosen
    ]
    return Section("pictures", "Pictures", tuple(parts))


def _applies(kind: str, options: Chosen) -> bool:
    """Whether an experiment with such roles can have pictures of a kind."""
    if kind in OF_BASELINE:
        return options.axis.baseline is not None
    if kind == "sensitivity":
        return options.axis.is_number
    if kind == "grid":
        return len(options.roles.groups) > 1
    return kind not in OF_COHORT or options.roles.of_cohorts


def figure(draw: Draw, kind: str, options: Options, *, is_first: bool) -> Figure | str:
    """Return a picture, or the reason why it cannot be drawn."""
    try:
        picture = draw(kind, options)
    except (ConfigError, IncompleteError, AssemblyError, ExperimentError, UnknownNameError) as error:
        return f"No picture of {kind}: {one_line(str(error))}"
    chart = picture.chart
    name = kind if is_first else f"{kind}-by-{options.by}"
    return Figure(
        name,
        one_line(chart.title),
        one_line(" ".join([chart.caption, *chart.notes])),
        one_line(chart.description()),
        picture,
    )


def statistics_section(data: AnalysisData, options: Chosen) -> Section:
    """Return tests and rankings."""
    roles, axis = data.roles, data.roles.axis
    rows = named(data.rows, roles).drop_nulls(axis.name)
    first = main_group(rows, roles)
    parts: list[SectionPart] = [_method(options), _scope(data.rows, options)]
    compared = statistics.comparisons(rows, options.metric, of=first, unit=options.unit, roles=roles)
    if not compared.is_empty() and first != CONFIG:
        names = {
            "one": roles.word(first), "other": "minus", "mean": "mean difference", **INTERVAL, **_tested(options),
        }  # fmt: skip
        caption = f"{capital(plural(roles.word(first)))} compared by {_with_unit(options)}: paired t test"
        parts.append(table(compared, caption, names))
    changed = statistics.degradation(rows, options.metric, [first], unit=options.unit, roles=roles)
    if changed.is_empty():
        parts.append(_no_baseline(data))
        parts += [] if axis.is_level else _slopes(rows, options)
        return Section("statistics", "Statistics", tuple(parts))
    names = {
        first: roles.word(first), axis.name: axis.axis_label, "baseline": "baseline", "mean": "mean change", **INTERVAL,
        "relative": "relative", **_tested(options),
    }  # fmt: skip
    caption = f"Degradation of {_with_unit(options)} against the baseline: paired t test"
    parts.append(table(changed, caption, names, axis.name))
    parts += [*_slopes(rows, options), _ranking(rows, options)]
    return Section("statistics", "Statistics", tuple(parts))


def _no_baseline(data: AnalysisData) -> str:
    axis = data.roles.axis
    if axis.baseline is None:
        return (
            "The experiment declares no baseline, so there is no degradation and no ranking. "
            "Set baseline = ... in its class to have them."
        )
    return f"There is no baseline ({axis.at(axis.baseline)}) to compare with, so there is no degradation and no ranking."


def _tested(options: Chosen) -> dict[str, str]:
    return {"cohort_std": _between(options), **_counts(options), "p_value": "p", "p_holm": "p (Holm)"}


def _counts(options: Chosen) -> dict[str, str]:
    return {**COUNTS, "fits": f"{options.words.row}s"}


def _cell(options: Chosen) -> dict[str, str]:
    return {name: options.roles.word(name) for name in options.roles.groups}


def _slopes(rows: pl.DataFrame, options: Chosen) -> list[Table]:
    """Return the slopes of the metric on the axis, if its values are numbers."""
    if not options.axis.is_number:
        return []
    slopes = statistics.sensitivity(rows, options.metric, unit=options.unit, roles=options.roles)
    names = {
        **_cell(options), "slope": "slope", **INTERVAL, "r2": "R² of the regression", "fits": f"{options.words.row}s",
    }  # fmt: skip
    on = "the level" if options.axis.is_level else options.axis.axis_label
    return [table(slopes, f"Sensitivity: slope of {_with_unit(options)} on {on}", names)]


def _ranking(rows: pl.DataFrame, options: Chosen) -> Table:
    others = "under perturbation" if options.axis.is_level else "elsewhere"
    names = {
        "rank": "rank", **_cell(options), "baseline": "baseline", "perturbed": others, "robustness": "robustness",
    }  # fmt: skip
    ratio = f"mean {others} over baseline"
    if not options.measured.higher_is_better:
        ratio = f"baseline over mean {others}"
    return table(statistics.robustness(rows, options.metric, options.roles), f"Robustness: {ratio}", names)


def _scope(rows: pl.DataFrame, options: Chosen) -> str:
    cohorts, words = rows["cohort"].n_unique(), options.words
    if cohorts == 1:
        return (
            f"All {words.row}s are of one {words.cohort}: intervals and tests over its {words.unit}s hold within this "
            f"{words.cohort} and say nothing about another."
        )
    return (
        f"The {words.row}s are of {cohorts} {words.cohort}s: intervals and tests over {words.unit}s hold within these "
        f"{words.cohort}s. The {_between(options)} is the standard deviation of the means of {words.cohort}s."
    )


def _method(options: Chosen) -> str:
    words, tests = options.words, "p values are two-sided; Holm's correction is per table."
    if options.unit == "assembly":
        return f"Each assembly counts once; its {words.row}s are averaged. {tests}"
    if words.unit == "repeat":
        return (
            "A unit is one repeat of one assembly; rows of one repeat are averaged or paired, not counted as "
            f"independent. Rows have no train/test split, so repeats count as independent. {tests}"
        )
    return (
        f"A unit is one random split of one assembly; {words.row}s of one split are averaged or paired, not counted as "
        "independent. Variances are corrected for the overlap of splits (Nadeau and Bengio 2003, "
        f"doi:10.1023/A:1024068626366). {tests}"
    )
