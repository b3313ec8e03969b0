"""What the findings of a report rest on, in sentences: units, cohorts, configs, and what makes them doubtful."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from lakebatch.analysis import statistics
from lakebatch.analysis.plots.captions import direction, interval_caption
from lakebatch.analysis.plots.options import CONFIG, Chosen
from lakebatch.analysis.report.estimates import how_many
from lakebatch.analysis.shift_tests import MIN_UNITS
from lakebatch.analysis.wording import plural


def reliability_sentences(rows: pl.DataFrame, of: str, options: Chosen) -> Iterator[str]:
    """Yield what the numbers rest on, and what makes them doubtful."""
    by = [of, options.axis.name]
    table = statistics.intervals(rows, options.metric, by, unit=options.unit, roles=options.roles)
    if table.is_empty():
        return
    yield " ".join(
        [interval_caption(_averaged(rows, of, options), table, rows, options, "mean"), *direction(options)]
    )
    yield from _few_units(table, options)
    yield from _beyond(table, options)
    configs = rows["config"].n_unique()
    if configs > 1 and CONFIG not in (options.by, of):
        yield f"Rows of {configs} configs are averaged; by='config' (--by config) tells them apart."


def _averaged(rows: pl.DataFrame, of: str, options: Chosen) -> str:
    """Return what means are taken over beside units, in words."""
    others = [name for name in options.roles.groups if name not in (of, CONFIG) and rows[name].n_unique() > 1]
    over = " and ".join(how_many(rows, name, options) for name in others)
    return f"Means over {over}" if over else "Means"


def _few_units(table: pl.DataFrame, options: Chosen) -> Iterator[str]:
    fewest = min(table["units"])
    if fewest < MIN_UNITS:
        noun = options.unit_word if fewest == 1 else plural(options.unit_word)
        yield (
            f"Some means rest on {fewest} {noun}: below {MIN_UNITS}, intervals and tests say little. "
            "Run more repeats or assemblies."
        )


def _beyond(table: pl.DataFrame, options: Chosen) -> Iterator[str]:
    """Yield how many intervals reach beyond the possible values of the metric."""
    low, high = options.measured.minimum, options.measured.maximum
    below = pl.lit(False) if low is None else pl.col("low") < low
    above = pl.lit(False) if high is None else pl.col("high") > high
    count = table.filter(below | above).height
    if count:
        yield f"{count} of {table.height} intervals reach beyond the possible values of {options.label}."
