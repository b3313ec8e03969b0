"""Charts of a metric against the level: lines, boxes, and a grid of panels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

import polars as pl

from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.plots.axis import axis_limits, cut_note
from lakebatch.analysis.plots.captions import (
    WORDS,
    capital,
    interval_caption,
    missing_notes,
    sampled,
    unmeasured,
)
from lakebatch.analysis.plots.chart import Boxes, Chart, Line, Panel, Rule, Series
from lakebatch.analysis.plots.options import Options
from lakebatch.analysis.statistics import intervals
from lakebatch.assembly import metrics
from lakebatch.errors import IncompleteError


def levels(data: AnalysisData, options: Options) -> Chart:
    """Return a metric against the level with 95 % intervals, by feature set or by model."""
    rows = usable_rows(data, options.metric)
    table = intervals(rows, options.metric, [options.by, "level"], unit=options.unit)
    marks = lines(table, options.by, names(rows, options.by))
    panel = level_panel(data, options.metric, rows, (*marks, *empty_lines(data, rows, options)))
    return Chart(
        title=f"{capital(metrics.label(options.metric))} by level and {WORDS[options.by]}, {data.experiment}",
        caption=interval_caption("Mean", table, rows, options),
        notes=(*cut_note(table, options), *missing_notes(data, options)),
        panels=with_zero([replace(panel, y_range=options.zoom or axis_limits(table, options.metric))]),
    )


def grid(data: AnalysisData, options: Options) -> Chart:
    """Return one panel per feature set with a line per model (or the other way round, by feature set)."""
    by = options.by
    of = "model" if by == "feature_set" else "feature_set"
    rows = usable_rows(data, options.metric)
    table = intervals(rows, options.metric, [of, by, "level"], unit=options.unit)
    panels = [
        replace(
            level_panel(
                data,
                options.metric,
                rows,
                (
                    *lines(table.filter(pl.col(of) == name), by, names(rows, by)),
                    *empty_lines(data, rows, options),
                ),
            ),
            title=name,
            y_range=options.zoom or axis_limits(table, options.metric),
        )
        for name in names(rows, of)
    ]
    return Chart(
        title=f"{capital(metrics.label(options.metric))} by level and {WORDS[by]}, a panel per {WORDS[of]}, "
        f"{data.experiment}",
        caption=interval_caption("Mean", table, rows, options),
        notes=(*cut_note(table, options), *missing_notes(data, options)),
        panels=with_zero(panels),
    )


def boxes(data: AnalysisData, options: Options) -> Chart:
    """Return a box plot by level and feature set (or model)."""
    rows = usable_rows(data, options.metric)
    at = sorted(set(rows["level"]))
    marks = [
        Boxes(name, slot, tuple(_values(rows, options, name, level) for level in at))
        for slot, name in enumerate(names(rows, options.by))
    ]
    panel = Panel(
        tuple(marks),
        x_label=level_label(data),
        y_label=metrics.label(options.metric),
        x_names=tuple(f"{level:g}" for level in at),
        y_range=options.zoom,
    )
    table = intervals(rows, options.metric, [options.by, "level"], unit=options.unit)
    return Chart(
        title=f"{capital(metrics.label(options.metric))} by level and {WORDS[options.by]}, {data.experiment}",
        caption=f"Each box shows {_range(marks)} fits, from {sampled(table, options, 'box')}: median, quartiles, "
        "whiskers to the last fit within 1.5 times the interquartile range, and fits beyond.",
        notes=missing_notes(data, options),
        panels=with_zero([panel]),
    )


def usable_rows(data: AnalysisData, metric: str) -> pl.DataFrame:
    """Return the rows with a level and the metric; a missing feature set or model is named "all".

    Raises
    ------
    IncompleteError
        If there is no such row.
    """
    named = data.rows.with_columns(pl.col("feature_set", "model").fill_null("all"))
    rows = named.drop_nulls(["level", metric])
    if rows.is_empty():
        raise IncompleteError(
            f"There is nothing to draw: {data.experiment}, {data.moment}, has no fit with {metric} in a "
            f"completed assembly. See: lakebatch status {data.experiment}"
        )
    return rows


def names(rows: pl.DataFrame, column: str) -> list[str]:
    """Return the feature sets, models or configs, in the order of their colours; configs by first run."""
    if column == "config":
        return rows[column].unique(maintain_order=True).to_list()
    return rows[column].unique().sort().to_list()


def empty_lines(data: AnalysisData, rows: pl.DataFrame, options: Options) -> tuple[Line, ...]:
    """Return a line without points, for the legend, for each name without any metric."""
    at, first = tuple(sorted(set(rows["level"]))), len(names(rows, options.by))
    nothing = (None,) * len(at)
    return tuple(
        Line(f"{name} (no {metrics.label(options.metric)})", slot, at, nothing, nothing, nothing)
        for slot, name in enumerate(unmeasured(data, options), first)
    )


def lines(table: pl.DataFrame, by: str, order: Sequence[str]) -> tuple[Line, ...]:
    """Return one line with intervals for each name in a table of estimates by level."""
    groups = {name: table.filter(pl.col(by) == name).sort("level") for name in order}
    return tuple(
        Line(
            name,
            slot,
            tuple(groups[name]["level"]),
            tuple(groups[name]["mean"]),
            tuple(groups[name]["low"]),
            tuple(groups[name]["high"]),
        )
        for slot, name in enumerate(order)
        if not groups[name].is_empty()
    )


def level_panel(data: AnalysisData, metric: str, rows: pl.DataFrame, marks: tuple[Line, ...]) -> Panel:
    """Return a panel with the levels along its x axis."""
    return Panel(
        marks,
        x_label=level_label(data),
        y_label=metrics.label(metric),
        x_ticks=tuple(sorted(set(rows["level"]))),
    )


def with_zero(panels: Sequence[Panel]) -> tuple[Panel, ...]:
    """Return panels of one metric with a line at 0 if its values have both signs."""
    values = [
        value for panel in panels for mark in panel.series for value in _drawn(mark) if value is not None
    ]
    if not min(values, default=0.0) < 0.0 < max(values, default=0.0):
        return tuple(panels)
    return tuple(replace(panel, marks=(Rule(0.0, "y"), *panel.marks)) for panel in panels)


def level_label(data: AnalysisData) -> str:
    """Return the label of an axis of levels."""
    return f"level of {data.experiment}"


def _drawn(mark: Series) -> Iterable[float | None]:
    if isinstance(mark, Boxes):
        return chain.from_iterable(mark.values)
    return chain(mark.y, mark.low, mark.high) if isinstance(mark, Line) else ()


def _values(rows: pl.DataFrame, options: Options, name: str, level: float) -> tuple[float, ...]:
    return tuple(rows.filter(pl.col(options.by) == name, pl.col("level") == level)[options.metric])


def _range(marks: Sequence[Boxes]) -> str:
    sizes = sorted({len(values) for mark in marks for values in mark.values if values})
    return f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
