"""Findings by tests, in sentences: changes from the baseline, pairs of groups, slopes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl

from lakebatch.analysis import statistics
from lakebatch.analysis.plots.options import CONFIG, Chosen
from lakebatch.analysis.report.estimates import estimate, placed
from lakebatch.analysis.report.tables import cell
from lakebatch.analysis.shifts import ALPHA
from lakebatch.analysis.wording import plural
from lakebatch.assembly.metrics import Axis, text_of

MAX_NAMED = 8
# values of the axis with a difference that a sentence names
TEST = f"paired t test, p (Holm) < {ALPHA}"
ROUNDING = 1e-12
# the size of a difference, relative to the baseline, that may be one of the last digits
IS_SAME = pl.max_horizontal(pl.col("mean", "low", "high").abs()) <= ROUNDING * pl.col("baseline").abs()


def change_sentences(rows: pl.DataFrame, of: str, options: Chosen) -> Iterator[str]:
    """Yield how many differences from the baseline are larger than chance, and the largest loss."""
    axis = options.axis
    if axis.baseline is None:
        return
    changed = statistics.degradation(
        rows,
        options.metric,
        [of],
        unit=options.unit,
        roles=options.roles,
    ).drop_nulls("mean")
    if changed.is_empty():
        others = "" if rows.filter(statistics.at_baseline(axis)).is_empty() else "anything but "
        yield f"There is nothing to compare with: no {options.words.row} is of {others}{axis.at(axis.baseline)}."
        return
    yield _counted_changes(changed, of, options)
    yield _largest_loss(changed, of, options)


def _counted_changes(changed: pl.DataFrame, of: str, options: Chosen) -> str:
    axis = options.axis
    tested = changed.drop_nulls("p_holm")
    pairs = f"{changed.height} comparison{'s' * (changed.height > 1)} with {axis.at(axis.baseline)}"
    if tested.is_empty():
        single = changed["units"].max() == 1
        why = f"there is a single {options.unit_word}" if single else "their differences have no spread"
        return f"None of {pairs} can be tested: {why}."
    differing = tested.filter(pl.col("p_holm") < ALPHA, ~IS_SAME)
    if differing.is_empty():
        return f"None of {pairs} differs ({TEST}).{_left_out(changed)}"
    differ = "differs" if differing.height == 1 else "differ"
    named = _named(differing, of, axis)
    return f"{differing.height} of {pairs} {differ} ({TEST}): {named}.{_left_out(changed)}"


def _named(differing: pl.DataFrame, of: str, axis: Axis) -> str:
    """Return which comparisons differ: each group with its values of the axis, or their number."""
    groups = differing.group_by(of, maintain_order=True).agg(pl.col(axis.name))
    texts = []
    for name, values in groups.iter_rows():
        several = f"{len(values)} {axis.plural}"
        at = f"{axis.label} {_listed(map(text_of, values))}" if differing.height <= MAX_NAMED else several
        texts.append(at if of == CONFIG and groups.height == 1 else f"{name} at {at}")
    return "; ".join(texts)


def _listed(texts: Iterable[str]) -> str:
    """Return texts as an enumeration.

    >>> _listed(["0.1", "0.2", "0.5"])
    '0.1, 0.2 and 0.5'
    """
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


def _left_out(changed: pl.DataFrame) -> str:
    """Return a sentence each on the comparisons without any difference, and on others without a test."""
    same = changed.filter(IS_SAME, pl.col("units") > 1).height
    untested = changed.filter(pl.col("p_holm").is_null(), ~IS_SAME | (pl.col("units") == 1)).height
    found = ((same, "no difference at all"), (untested, "no test"))
    return "".join(f" {count} {'has' if count == 1 else 'have'} {what}." for count, what in found if count)


def _largest_loss(changed: pl.DataFrame, of: str, options: Chosen) -> str:
    higher, axis, unit = options.measured.higher_is_better, options.axis, options.measured.unit
    worst = changed.sort("mean", descending=not higher, maintain_order=True).row(0, named=True)
    loss = -worst["mean"] if higher else worst["mean"]
    if loss <= ROUNDING * abs(worst["baseline"]):
        return f"No mean is worse than at {axis.at(axis.baseline)}."
    what = "The largest loss" if higher else "The largest increase, which is a loss,"
    before = f"{cell(worst['baseline'])}{'' if unit == '1' else f' {unit}'}"
    doubt = "" if worst["p_holm"] is None or worst["p_holm"] < ALPHA else ", so it may be chance"
    place = placed(worst, changed, of, options)
    return f"{what} is {place}: {estimate(worst, unit)} from {before}{_tested(worst)}{doubt}."


def _tested(row: Mapping[str, Any]) -> str:
    p = row["p_holm"]
    shown = cell(p, "p_holm")
    return "" if p is None else f", p (Holm) {shown if shown.startswith('<') else f'= {shown}'}"


def pair_sentences(rows: pl.DataFrame, of: str, options: Chosen) -> Iterator[str]:
    """Yield how many pairs of groups differ over all values of the axis, and the largest difference."""
    unit = options.measured.unit
    if of == CONFIG:
        return
    compared = statistics.comparisons(
        rows,
        options.metric,
        of=of,
        unit=options.unit,
        roles=options.roles,
    ).drop_nulls(["mean", "p_holm"])
    if compared.is_empty():
        return
    largest = compared.sort(pl.col("mean").abs(), descending=True, maintain_order=True).row(0, named=True)
    difference = f"{_difference(largest, unit)}{_tested(largest)}"
    over, nouns = f"Averaged over all {options.axis.plural}", plural(options.roles.word(of))
    if compared.height == 1:
        yield f"{over}, the difference of the two {nouns} is {difference} (paired t test)."
        return
    differing = compared.filter(pl.col("p_holm") < ALPHA).height
    counted = f"{differing or 'none'} of {compared.height} pairs of {nouns} {'differ' if differing > 1 else 'differs'}"
    yield f"{over}, {counted} ({TEST}); the largest difference is {difference}."


def _difference(row: Mapping[str, Any], unit: str) -> str:
    """Return the difference of a pair as a number above 0, with its interval."""
    if row["mean"] >= 0:
        return f"{row['one']} minus {row['other']}: {estimate(row, unit)}"
    ends = (None, None) if row["low"] is None else (-row["high"], -row["low"])
    turned = {"mean": -row["mean"], "low": ends[0], "high": ends[1]}
    return f"{row['other']} minus {row['one']}: {estimate(turned, unit)}"


def slope_sentences(rows: pl.DataFrame, options: Chosen) -> Iterator[str]:
    """Yield how many slopes differ from 0, for an axis of numbers without a baseline."""
    if options.axis.baseline is not None or not options.axis.is_number:
        return
    slopes = statistics.sensitivity(rows, options.metric, unit=options.unit, roles=options.roles).drop_nulls(
        ["slope", "low", "high"]
    )
    if slopes.is_empty():
        return
    up, down = (slopes.filter(each).height for each in (pl.col("low") > 0, pl.col("high") < 0))
    slopes_on = f"{slopes.height} slope{'s' * (slopes.height > 1)} on {options.axis.label}"
    yield f"Of {slopes_on}, {up} {_is(up)} above 0 and {down} {_is(down)} below 0, with their 95 % intervals."


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
