"""Charts of a metric against the axis, such as the level: lines, boxes, and a grid of panels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

import polars as pl

from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.key_labels import LEVELS
from lakebatch.analysis.plots.axis import bounds, fit
from lakebatch.analysis.plots.captions import (
    capital,
    direction,
    interval_caption,
    missing_notes,
    sampled,
    unmeasured,
)
from lakebatch.analysis.plots.chart import Boxes, Chart, Line, Panel, Rule, Series
from lakebatch.analysis.plots.options import CONFIG, Chosen
from lakebatch.analysis.plots.scale import Scale, scale
from lakebatch.analysis.statistics import intervals
from lakebatch.analysis.wording import UNNAMED
from lakebatch.assembly.metrics import Axis
from lakebatch.errors import IncompleteError


def levels(data: AnalysisData, options: Chosen) -> Chart:
    """Return a metric against the level with 95 % intervals, by feature set or by model."""
    rows = usable_rows(data, options)
    table = estimated(rows, options, [options.by, options.axis.name])
    along = scale(options.axis, rows[options.axis.name])
    marks = lines(table, options.by, names(rows, options.by), along)
    panel = level_panel(data, options, along, (*marks, *empty_lines(data, rows, options)))
    panels, notes = fit([panel], options.zoom, bounds(options.measured))
    return Chart(
        title=f"{_title(options)} and {options.by_word}, {data.shown_name}",
        caption=interval_caption("Mean", table, rows, options),
        notes=_notes(data, options, along, notes),
        panels=with_zero(panels),
    )


def grid(data: AnalysisData, options: Chosen) -> Chart:
    """Return one panel per feature set with a line per model (or the other way round, by feature set)."""
    by = options.by
    of = _of(options)
    rows = usable_rows(data, options)
    table = estimated(rows, options, [of, by, options.axis.name])
    along = scale(options.axis, rows[options.axis.name])
    panels = [
        replace(
            level_panel(
                data,
                options,
                along,
                (
                    *lines(table.filter(pl.col(of) == name), by, names(rows, by), along),
                    *empty_lines(data, rows, options),
                ),
            ),
            title=name,
        )
        for name in names(rows, of)
    ]
    fitted, notes = fit(panels, options.zoom, bounds(options.measured))
    return Chart(
        title=f"{_title(options)} and {options.by_word}, a panel per {options.roles.word(of)}, {data.shown_name}",
        caption=interval_caption("Mean", table, rows, options),
        notes=_notes(data, options, along, notes),
        panels=with_zero(fitted),
    )


def boxes(data: AnalysisData, options: Chosen) -> Chart:
    """Return a box plot by level and feature set (or model)."""
    rows = usable_rows(data, options)
    along = scale(options.axis, rows[options.axis.name])
    marks = [
        Boxes(name, slot, tuple(_values(rows, options, name, at) for at in along.values))
        for slot, name in enumerate(names(rows, options.by))
    ]
    panel = Panel(
        tuple(marks),
        x_label=axis_label(data, options.axis),
        y_label=options.measured.axis_label,
        x_names=along.names,
    )
    panels, notes = fit([panel], options.zoom, bounds(options.measured))
    table = estimated(rows, options, [options.by, options.axis.name])
    row = options.words.row
    return Chart(
        title=f"{_title(options)} and {options.by_word}, {data.shown_name}",
        caption=f"Each box shows {_range(marks)} {row}s, from {sampled(table, options, 'box')}: median, quartiles, "
        f"whiskers to the last {row} within 1.5 times the interquartile range, and {row}s beyond.",
        notes=(*direction(options), *notes, *missing_notes(data, options)),
        panels=with_zero(panels),
    )


def _title(options: Chosen) -> str:
    return f"{capital(options.label)} by {options.axis.label}"


def _notes(data: AnalysisData, options: Chosen, along: Scale, of_axis: tuple[str, ...]) -> tuple[str, ...]:
    return (*direction(options), *along.notes, *of_axis, *missing_notes(data, options))


def _of(options: Chosen) -> str:
    """Return the column with a panel for each of its values."""
    others = [name for name in options.roles.groups if name != options.by]
    if not others:
        raise IncompleteError(
            f"There is no grid to draw: the experiment has no group beside {options.by_word}. Name two in its class, "
            "e.g. groups = ('model', 'features')."
        )
    return others[0]


def estimated(rows: pl.DataFrame, options: Chosen, by: Sequence[str]) -> pl.DataFrame:
    """Return the mean of the metric in each group with its interval."""
    return intervals(rows, options.metric, by, unit=options.unit, roles=options.roles)


def usable_rows(data: AnalysisData, options: Chosen) -> pl.DataFrame:
    """Return the rows with a level and the metric; a missing feature set or model is named `UNNAMED`.

    Raises
    ------
    IncompleteError
        If there is no such row.
    """
    named = data.rows.with_columns(pl.col(*options.roles.groups).fill_null(UNNAMED))
    rows = named.drop_nulls([options.axis.name, options.metric])
    if rows.is_empty():
        raise IncompleteError(
            f"There is nothing to draw: {data.experiment}, {data.moment}, has no {data.words.row} with "
            f"{options.metric} in a completed assembly. See: lakebatch status {data.experiment}"
        )
    return rows


def names(rows: pl.DataFrame, column: str) -> list[str]:
    """Return the feature sets, models or configs, in the order of their colours: as configured; configs by first run."""
    if column == CONFIG:
        return rows[column].unique(maintain_order=True).to_list()
    return rows[column].unique().sort().to_list()


def empty_lines(data: AnalysisData, rows: pl.DataFrame, options: Chosen) -> tuple[Line, ...]:
    """Return a line without points, for the legend, for each name without any metric."""
    along, first = scale(options.axis, rows[options.axis.name]), len(names(rows, options.by))
    at, nothing = along.at(along.values), (None,) * len(along.values)
    return tuple(
        Line(f"{name} (no {options.label})", slot, at, nothing, nothing, nothing)
        for slot, name in enumerate(unmeasured(data, options), first)
    )


def lines(table: pl.DataFrame, by: str, order: Sequence[str], along: Scale) -> tuple[Line, ...]:
    """Return one line with intervals for each name in a table of estimates along the axis."""
    axis = along.axis.name
    groups = {name: table.filter(pl.col(by) == name).sort(axis) for name in order}
    return tuple(
        Line(
            name,
            slot,
            along.at(groups[name][axis]),
            tuple(groups[name]["mean"]),
            tuple(groups[name]["low"]),
            tuple(groups[name]["high"]),
        )
        for slot, name in enumerate(order)
        if not groups[name].is_empty()
    )


def level_panel(data: AnalysisData, options: Chosen, along: Scale, marks: tuple[Line, ...]) -> Panel:
    """Return a panel with the axis of the experiment as its x axis."""
    return Panel(
        marks,
        x_label=axis_label(data, along.axis),
        y_label=options.measured.axis_label,
        **along.panel,
    )


def with_zero(panels: Sequence[Panel]) -> tuple[Panel, ...]:
    """Return panels of one metric with a line at 0 if its values have both signs."""
    values = [
        value for panel in panels for mark in panel.series for value in _drawn(mark) if value is not None
    ]
    if not min(values, default=0.0) < 0.0 < max(values, default=0.0):
        return tuple(panels)
    return tuple(replace(panel, marks=(Rule(0.0, "y"), *panel.marks)) for panel in panels)


def axis_label(data: AnalysisData, axis: Axis) -> str:
    """Return the label of the horizontal axis, with its unit: of the level, what the config says of it."""
    if not axis.is_level:
        return axis.axis_label
    return data.label_of(LEVELS) or f"level of {data.shown_name}"


def _drawn(mark: Series) -> Iterable[float | None]:
    if isinstance(mark, Boxes):
        return chain.from_iterable(mark.values)
    return chain(mark.y, mark.low, mark.high) if isinstance(mark, Line) else ()


def _values(rows: pl.DataFrame, options: Chosen, name: str, at: float | str) -> tuple[float, ...]:
    return tuple(rows.filter(pl.col(options.by) == name, pl.col(options.axis.name) == at)[options.metric])


def _range(marks: Sequence[Boxes]) -> str:
    sizes = sorted({len(values) for mark in marks for values in mark.values if values})
    return f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
