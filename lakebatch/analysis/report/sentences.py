"""The findings of a report in sentences, written from the same estimates as its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from lakebatch.analysis import statistics
from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.plots.options import Chosen
from lakebatch.analysis.report.changes import change_sentences, pair_sentences, slope_sentences
from lakebatch.analysis.report.estimates import estimate, how_many, is_nameless, main_group, named, placed
from lakebatch.analysis.report.reliability import reliability_sentences
from lakebatch.assembly.metrics import Axis


def findings(data: AnalysisData, options: Chosen) -> list[str]:
    """Return the findings, the most important first; one sentence that there is none if no row has the metric."""
    measured = named(data.rows, options.roles).drop_nulls(options.metric)
    if measured.is_empty():
        return [f"There is no {options.words.row} with {options.label}, so there is no finding."]
    rows, of = measured.drop_nulls(options.axis.name), main_group(measured, options.roles)
    if rows.is_empty():
        return [without_axis(options), *_best_groups(measured, of, options)]
    return [
        *_extremes(rows, of, options),
        *change_sentences(rows, of, options),
        *pair_sentences(rows, of, options),
        *slope_sentences(rows, options),
        *reliability_sentences(rows, of, options),
    ]


def _extremes(rows: pl.DataFrame, main: str, options: Chosen) -> Iterator[str]:
    """Yield which group has the best mean furthest from the baseline or, without one, at any value of the axis."""
    for of in _asked(main, options):
        by = [of, options.axis.name]
        table = statistics.intervals(rows, options.metric, by, unit=options.unit, roles=options.roles)
        far = _furthest(table, options.axis)
        if not table.is_empty():
            yield _best_anywhere(table, of, options) if far is None else _best_at(table, of, far, options)


def _asked(main: str, options: Chosen) -> list[str]:
    """Return the main group, and the one that was asked for where it is another."""
    is_first = options.by == options.roles.groups[0]
    return list(dict.fromkeys((main, main if is_first else options.by)))


def without_axis(options: Chosen) -> str:
    """Return the sentence on rows without any value on the axis."""
    return f"No {options.words.row} has a {options.axis.label}, so nothing is compared along it."


def _best_groups(rows: pl.DataFrame, main: str, options: Chosen) -> Iterator[str]:
    """Yield which group has the best mean, for rows without an axis."""
    for of in _asked(main, options):
        table = statistics.intervals(rows, options.metric, [of], unit=options.unit, roles=options.roles)
        if not table.is_empty():
            best, *others = _ranked(table, options).iter_rows(named=True)
            rival = _overlap(best, others[0], of) if others else ""
            yield f"{_superlative(best, table, of, options)}: {estimate(best, options.measured.unit)}.{rival}"


def _superlative(best: Mapping[str, Any], table: pl.DataFrame, of: str, options: Chosen) -> str:
    return f"{best[of]} has the {_best_word(options)} {_mean(options)} of {how_many(table, of, options)}"


def _furthest(table: pl.DataFrame, axis: Axis) -> float | None:
    """Return the value of the axis that is furthest from the baseline; None unless both are there."""
    if axis.baseline is None or not axis.is_number:
        return None
    is_baseline = statistics.at_baseline(axis)
    others = table.filter(~is_baseline)[axis.name].unique().to_list()
    if table.filter(is_baseline).is_empty() or not others:
        return None
    baseline = float(axis.baseline)
    return float(max(others, key=lambda value: abs(value - baseline)))


def _best_at(table: pl.DataFrame, of: str, far: float, options: Chosen) -> str:
    axis, unit = options.axis, options.measured.unit
    ranked = _ranked(table.filter(pl.col(axis.name) == far), options)
    best, *others = ranked.iter_rows(named=True)
    first = table.filter(statistics.at_baseline(axis), pl.col(of) == best[of])
    then = ""
    if not first.is_empty():
        then = f", against {estimate(first.row(0, named=True), unit, '')} at {axis.at(axis.baseline)}"
    if others:
        what = _superlative(best, table, of, options)
        rival = _overlap(best, others[0], of)
        return f"{what} at {axis.at(far)}: {estimate(best, unit)}{then}.{rival}"
    name = "" if is_nameless(table, of) else f" of {best[of]}"
    return f"The {_mean(options)}{name} at {axis.at(far)} is {estimate(best, unit)}{then}."


def _best_anywhere(table: pl.DataFrame, of: str, options: Chosen) -> str:
    """Return the best and the worst mean over all groups and values of the axis."""
    unit, ranked = options.measured.unit, _ranked(table, options)
    best, worst = ranked.row(0, named=True), ranked.row(-1, named=True)
    if ranked.height == 1:
        return f"The only {_mean(options)} is {placed(best, table, of, options)}: {estimate(best, unit)}."
    end = _best_word(options)
    other = "lowest" if end == "highest" else "highest"
    return (
        f"The {end} {_mean(options)} is {placed(best, table, of, options)}: {estimate(best, unit)}; "
        f"the {other} is {placed(worst, table, of, options)}: {estimate(worst, unit, '')}."
    )


def _ranked(table: pl.DataFrame, options: Chosen) -> pl.DataFrame:
    return table.sort("mean", descending=options.measured.higher_is_better, maintain_order=True)


def _mean(options: Chosen) -> str:
    return f"{'average' if options.label.startswith('mean') else 'mean'} {options.label}"


def _best_word(options: Chosen) -> str:
    return "highest" if options.measured.higher_is_better else "lowest"


def _overlap(best: Mapping[str, Any], rival: Mapping[str, Any], of: str) -> str:
    """Return a sentence on the runner-up whose interval overlaps; empty without one."""
    ends = (best["low"], best["high"], rival["low"], rival["high"])
    if None in ends or rival["high"] < best["low"] or rival["low"] > best["high"]:
        return ""
    return f" The interval of {rival[of]} overlaps with it."
