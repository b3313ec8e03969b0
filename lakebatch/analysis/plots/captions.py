"""Captions of charts: what points and intervals mean, how many splits and assemblies they rest on, what is missing."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from lakebatch._text import one_line
from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.plots.options import Options
from lakebatch.assembly import metrics

WORDS = {"feature_set": "feature set", "model": "model", "config": "config"}


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


def sampled(table: pl.DataFrame, options: Options, each: str = "point") -> str:
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
    return f"{span(units)} {'split' if max(units) == 1 else 'splits'} of {of}{per}"


def interval_caption(
    what: str, table: pl.DataFrame, rows: pl.DataFrame, options: Options, each: str = "line"
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
        return f"{what}; a single {options.unit}, so there is no interval. {between(table, rows, options)}"
    overlap = "" if options.unit == "assembly" else ", corrected for the overlap of splits"
    over = sampled(table, options, _constant_in(table, options, each))
    return f"{what} with 95 % t interval over {over}{overlap}. {between(table, rows, options)}"


def between(table: pl.DataFrame, rows: pl.DataFrame, options: Options) -> str:
    """Return how far estimates hold: within their cohort, or the spread between the means of cohorts."""
    known = table["cohort_std"].drop_nulls().to_list()
    if not known:
        return scope(rows) if rows["cohort"].n_unique() == 1 else "Each holds within its own cohort."
    cohorts = span(table.drop_nulls("cohort_std")["cohorts"].to_list())
    spread = f"the means of {cohorts} cohorts have a standard deviation of {span(known, '.2g')}"
    if options.unit == "assembly":
        return f"{capital(spread)}."
    return f"It holds within these cohorts; {spread}."


def scope(rows: pl.DataFrame) -> str:
    """Return the cohorts within which intervals over splits hold."""
    cohorts = rows["cohort"].n_unique()
    return f"It holds within {'this cohort' if cohorts == 1 else f'these {cohorts} cohorts'}."


def unmeasured(data: AnalysisData, options: Options) -> list[str]:
    """Return the feature sets, models or configs that have fits and not one with the metric."""
    named = data.rows.drop_nulls("level").with_columns(pl.col(options.by).fill_null("all"))
    counted = named.group_by(options.by, maintain_order=True).agg(pl.col(options.metric).count())
    return counted.filter(pl.col(options.metric) == 0)[options.by].sort().to_list()


def missing_notes(data: AnalysisData, options: Options) -> tuple[str, ...]:
    """Return a note on each line without any metric, with its first reason."""
    of = pl.col(options.by).fill_null("all")
    notes = []
    for name in unmeasured(data, options):
        fits = data.rows.drop_nulls("level").filter(of == name)
        reasons = fits["error"].drop_nulls()
        why = f" ({one_line(reasons[0])})" if reasons.len() else ""
        notes.append(f"Not one of {fits.height} fits of {name} has {metrics.label(options.metric)}{why}.")
    return tuple(notes)


def _constant_in(table: pl.DataFrame, options: Options, each: str) -> str:
    """Return the drawn thing within which the counts are the same: ``each``, or a point of it."""
    if each != "line" or options.by not in table.columns:
        return each
    names = [options.by, *(name for name in ("feature_set", "model") if name in table.columns)]
    counts = table.group_by(list(dict.fromkeys(names))).agg(pl.col("units", "assemblies").n_unique())
    return "line" if counts.select(pl.max_horizontal("units", "assemblies").max()).item() == 1 else "point"
