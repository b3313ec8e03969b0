"""Captions of charts: what points and intervals mean, how many splits and assemblies they rest on, what is missing."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from lakebatch._text import one_line
from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.plots.options import Chosen
from lakebatch.analysis.wording import UNNAMED, Words


def capital(text: str) -> str:
    """Return a string with a capital first letter."""
    return text[:1].upper() + text[1:]


def span(values: Sequence[float], form: str = "d") -> str:
    """Return the range of some numbers.

    >>> span([8, 24, 8]), span([3])
    ('8 to 24', '3')
    """
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def sampled(table: pl.DataFrame, options: Chosen, each: str = "point") -> str:
    """Return the number of splits and assemblies behind each row of a table of estimates.

    Parameters
    ----------
    each : str
        What the numbers count for where they differ, such as "line".
    """
    units, assemblies = (table[name].to_list() for name in ("units", "assemblies"))
    of = f"{span(assemblies)} {'assembly' if max(assemblies) == 1 else 'assemblies'}"
    differ = len(set(units)) > 1 or len(set(assemblies)) > 1
    per = f" per {each}" if differ else ""
    if options.unit == "assembly":
        return f"{of}{per}"
    return f"{span(units)} {options.words.unit}{'s' * (max(units) != 1)} of {of}{per}"


def interval_caption(
    what: str, table: pl.DataFrame, rows: pl.DataFrame, options: Chosen, each: str = "line"
) -> str:
    """Return the meaning of points and intervals, and how far they hold.

    Parameters
    ----------
    table : frame
        The drawn estimates, see `lakebatch.analysis.statistics.intervals`.
    rows : frame
        The fits behind them, with their cohorts.
    each : str
        What a row of the table is drawn in, such as "line".
    """
    if table["low"].null_count() == table.height:
        return (
            f"{what}; a single {options.unit_word}, so there is no interval. {between(table, rows, options)}"
        )
    overlap = ", corrected for the overlap of splits" if options.unit_word == "split" else ""
    over = sampled(table, options, _constant_in(table, options, each))
    return f"{what} with 95 % t interval over {over}{overlap}. {between(table, rows, options)}"


def between(table: pl.DataFrame, rows: pl.DataFrame, options: Chosen) -> str:
    """Return how far estimates hold: within their cohort, or the spread between the means of cohorts."""
    known = table["cohort_std"].drop_nulls().to_list()
    if not known:
        word = options.words.cohort
        is_one = rows["cohort"].n_unique() == 1
        return scope(rows, options.words) if is_one else f"Each holds within its own {word}."
    cohorts = span(table.drop_nulls("cohort_std")["cohorts"].to_list())
    spread = (
        f"the means of {cohorts} {options.words.cohort}s have a standard deviation of {span(known, '.2g')}"
    )
    if options.unit == "assembly":
        return f"{capital(spread)}."
    return f"It holds within these {options.words.cohort}s; {spread}."


def scope(rows: pl.DataFrame, words: Words) -> str:
    """Return the cohorts within which intervals over splits hold."""
    cohorts = rows["cohort"].n_unique()
    within = f"this {words.cohort}" if cohorts == 1 else f"these {cohorts} {words.cohort}s"
    return f"It holds within {within}."


def direction(options: Chosen) -> tuple[str, ...]:
    """Return a note if lower values of the metric are better."""
    return () if options.measured.higher_is_better else ("Lower values are better.",)


def unmeasured(data: AnalysisData, options: Chosen) -> list[str]:
    """Return the feature sets, models or configs that have fits and not one with the metric."""
    named = data.rows.drop_nulls(options.axis.name).with_columns(pl.col(options.by).fill_null(UNNAMED))
    counted = named.group_by(options.by, maintain_order=True).agg(pl.col(options.metric).count())
    return counted.filter(pl.col(options.metric) == 0)[options.by].sort().to_list()


def missing_notes(data: AnalysisData, options: Chosen) -> tuple[str, ...]:
    """Return a note on each line without any metric, with its first reason."""
    of = pl.col(options.by).fill_null(UNNAMED)
    notes = []
    for name in unmeasured(data, options):
        fits = data.rows.drop_nulls(options.axis.name).filter(of == name)
        reasons = fits["error"].drop_nulls()
        why = f" ({one_line(reasons[0])})" if reasons.len() else ""
        notes.append(f"Not one of {fits.height} {data.words.row}s of {name} has {options.label}{why}.")
    return tuple(notes)


def _constant_in(table: pl.DataFrame, options: Chosen, each: str) -> str:
    """Return the drawn thing within which the counts are the same: ``each``, or a point of it."""
    if each != "line" or options.by not in table.columns:
        return each
    names = [options.by, *(name for name in options.roles.groups if name in table.columns)]
    counts = table.group_by(list(dict.fromkeys(names))).agg(pl.col("units", "assemblies").n_unique())
    return "line" if counts.select(pl.max_horizontal("units", "assemblies").max()).item() == 1 else "point"
