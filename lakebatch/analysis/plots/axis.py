"""Limits of the axis of a metric: its possible values, without outliers, and a note on what lies beyond."""

from __future__ import annotations

import numpy as np
import polars as pl

from lakebatch.analysis.plots.options import Chosen
from lakebatch.assembly.metrics import Metric

# Margin of an axis beyond the limits of a metric; half of it on each side where it has two
MARGIN = 0.05
# An interval whose end is further from the quartiles of all ends, in interquartile ranges, is an outlier
FENCE = 3.0


def axis_limits(table: pl.DataFrame, metric: Metric) -> tuple[float, float] | None:
    """Return axis limits if intervals over few splits exceed the limits of a metric or are outliers; else None.

    Parameters
    ----------
    table : frame
        low and high, the ends of the intervals, NULL without an interval.
    """
    low, high = table["low"].drop_nulls(), table["high"].drop_nulls()
    if low.is_empty() or high.is_empty():
        return None
    if metric.minimum is not None and metric.maximum is not None:
        margin = MARGIN / 2 * (metric.maximum - metric.minimum)
        ends = metric.minimum - margin, metric.maximum + margin
        return ends if _exceeds(low, high, ends) else None
    ends = _lower_end(low, metric), _upper_end(high, metric)
    margin = MARGIN * (ends[1] - ends[0])
    return (ends[0] - margin, ends[1] + margin) if _exceeds(low, high, ends) else None


def cut_note(table: pl.DataFrame, options: Chosen) -> tuple[str, ...]:
    """Return a note on the points and intervals of a table of estimates that lie beyond the axis, if any do."""
    ends = options.zoom or axis_limits(table, options.measured)
    if ends is None:
        return ()
    points = table.filter(~pl.col("mean").is_between(*ends)).height
    intervals = table.filter((pl.col("low") < ends[0]) | (pl.col("high") > ends[1])).height
    if not points and not intervals:
        return ()
    return (
        f"Beyond the axis lie {points} of {table.height} points and an end of {intervals} of {table.height} intervals.",
    )


def _exceeds(low: pl.Series, high: pl.Series, ends: tuple[float, float]) -> bool:
    return bool((low < ends[0]).any() or (high > ends[1]).any())


def _lower_end(low: pl.Series, metric: Metric) -> float:
    fence = _quantile(low, 0.25) - FENCE * (_quantile(low, 0.75) - _quantile(low, 0.25))
    ends = [_quantile(low, 0.0), fence if metric.minimum is None else metric.minimum]
    return max(ends)


def _upper_end(high: pl.Series, metric: Metric) -> float:
    fence = _quantile(high, 0.75) + FENCE * (_quantile(high, 0.75) - _quantile(high, 0.25))
    ends = [_quantile(high, 1.0), fence if metric.maximum is None else metric.maximum]
    return min(ends)


def _quantile(values: pl.Series, at: float) -> float:
    return float(np.quantile(values.to_numpy(), at))
