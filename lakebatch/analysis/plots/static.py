"""Charts as matplotlib figures, ready for print; the only module that draws with matplotlib."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lakebatch.analysis.plots import legend, style
from lakebatch.analysis.plots.chart import Box, Cells, Chart, Line, Panel
from lakebatch.analysis.plots.marks import Axes, draw_mark
from lakebatch.analysis.plots.positions import place
from lakebatch.assembly.metrics import text_of
from lakebatch.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MM = 1 / 25.4
PANEL_MM = 66.0
ROW_MM = 4.6
CELL_MM, MIN_CELLS_MM = 9.0, 40.0
# height of a cell of a heat map, and least height of all
MARGIN = 1.2
"""Margin around the boxes of a diagram, in its own units."""
MAX_COLUMNS = 3
MAX_TICKS = 10
TICK_CHARACTERS = 56
"""Characters of all labels that fit along an axis."""


def draw(chart: Chart, width_mm: float | None = None) -> Figure:
    """Return a chart as a matplotlib figure.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            "Pictures need matplotlib, which is not installed. Install it with: pip install 'lakebatch[plots]'"
        ) from error
    with matplotlib.rc_context(style.RC):
        columns = column_count(chart)
        width = width_mm or _width(chart, columns)
        rows = math.ceil(len(chart.panels) / columns)
        figure = Figure(figsize=(width * MM, _height(chart, rows, width) * MM), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharex=chart.share, sharey=chart.share)
        for axes, panel in zip(grid.flat, chart.panels, strict=False):
            _draw_panel(axes, panel)
        _finish(figure, grid, chart, columns, width)
    return figure


def to_bytes(chart: Chart, form: str, metadata: Mapping[str, Any], width_mm: float | None = None) -> bytes:
    """Return a chart as the reproducible bytes of a PNG, SVG or PDF file."""
    figure = draw(chart, width_mm)
    import matplotlib

    target = io.BytesIO()
    with matplotlib.rc_context(style.RC):
        figure.savefig(target, format=form, metadata=dict(metadata))
    return target.getvalue()


def column_count(chart: Chart) -> int:
    """Return the number of panels side by side."""
    panels = len(chart.panels)
    return 1 if panels == 1 else min(MAX_COLUMNS if panels <= 9 else 5, panels)


def _width(chart: Chart, columns: int) -> float:
    return style.SINGLE_MM if columns == 1 and not chart.against else style.DOUBLE_MM


def _height(chart: Chart, rows: int, width: float) -> float:
    names = max(len(panel.y_names) for panel in chart.panels)
    if any(isinstance(mark, Cells) for mark in chart.panels[0].marks):
        return 18 + max(MIN_CELLS_MM, min(CELL_MM * names, 2 * PANEL_MM))
    if names:
        return 22 + ROW_MM * names + legend.height_mm(chart, width)
    if chart.panels[0].hide_axes:
        return width * _flatness(chart.panels[0])
    each = PANEL_MM if rows == 1 else 46.0 if rows <= 3 else 38.0
    return rows * each + legend.height_mm(chart, width)


def _flatness(panel: Panel) -> float:
    """Return the height of a diagram relative to its width."""
    across, down = _span(panel, "x", MARGIN), _span(panel, "y", MARGIN / 2)
    return (down[1] - down[0]) / (across[1] - across[0])


def _draw_panel(axes: Axes, panel: Panel) -> None:
    for mark in panel.marks:
        draw_mark(axes, mark, panel, place(mark, panel))
    _label(axes, panel)


def _label(axes: Axes, panel: Panel) -> None:
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label, title=panel.title)
    if panel.hide_axes:
        axes.set_axis_off()
        axes.set_aspect("equal")
        axes.set_xlim(*_span(panel, "x", MARGIN))
        axes.set_ylim(*_span(panel, "y", MARGIN / 2))
    if panel.x_log:
        axes.set_xscale("log")
    if panel.x_names:
        axes.set_xticks(range(len(panel.x_names)), panel.x_names, **_slant(panel.x_names))
        axes.grid(visible=False, axis="x")
    if panel.y_names:
        axes.set_yticks(range(len(panel.y_names)), panel.y_names)
        margin = 0.0 if any(isinstance(mark, Cells) for mark in panel.marks) else 0.1
        axes.set_ylim(len(panel.y_names) - 0.5 + margin, -0.5 - margin)
    if panel.x_ticks:
        _set_ticks(axes, panel.x_ticks, is_log=panel.x_log)
    if any(isinstance(mark, Line) and mark.x and isinstance(mark.x[0], datetime) for mark in panel.marks):
        _set_dates(axes)
    if panel.integers_only:
        axes.yaxis.get_major_locator().set_params(integer=True)
    if panel.x_range:
        axes.set_xlim(panel.x_range)
    if panel.y_range:
        axes.set_ylim(panel.y_range)


def _span(panel: Panel, axis: str, margin: float) -> tuple[float, float]:
    places: list[float] = [getattr(mark, axis) for mark in panel.marks if isinstance(mark, Box)]
    return min(places) - margin, max(places) + margin


def _set_ticks(axes: Axes, ticks: Sequence[float], *, is_log: bool = False) -> None:
    """Set a tick at each level, with a number if there is space."""
    at = [math.log(tick) if is_log else tick for tick in ticks]
    length = max(len(text_of(tick)) for tick in ticks)
    room = (max(at) - min(at)) / min(MAX_TICKS, max(TICK_CHARACTERS // length, 1))
    labelled: list[int] = []
    for index, position in enumerate(at):
        if not labelled or position - at[labelled[-1]] >= room:
            labelled.append(index)
    shown = [ticks[index] for index in labelled]
    axes.set_xticks(shown, [text_of(tick) for tick in shown])
    axes.set_xticks([tick for tick in ticks if tick not in shown], minor=True)
    if is_log:
        axes.xaxis.set_minor_formatter("")


def _slant(names: Sequence[str]) -> dict[str, Any]:
    """Return how names are written that would overlap side by side."""
    if len(names) * max(map(len, names)) <= TICK_CHARACTERS:
        return {}
    return {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}


def _set_dates(axes: Axes) -> None:
    """Set few enough times on the x axis that they do not overlap."""
    from matplotlib import dates

    untyped: Any = dates
    locator = untyped.AutoDateLocator(minticks=3, maxticks=7)
    locator.intervald[dates.MINUTELY] = [1, 2, 5, 10, 15, 30]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(untyped.ConciseDateFormatter(locator))


def _finish(figure: Figure, grid: Any, chart: Chart, columns: int, width: float) -> None:
    """Remove unused axes and repeated labels, and set one legend below all panels."""
    panels, flat = len(chart.panels), list(grid.flat)
    for axes in flat[panels:]:
        axes.remove()
    for index, axes in enumerate(flat[:panels]):
        below = index + columns < panels
        if chart.share and below:
            axes.set_xlabel("")
        elif chart.share:
            axes.tick_params(labelbottom=True)
        if chart.share and index % columns:
            axes.set_ylabel("")
    entries = legend.handles(chart)
    if entries:
        figure.legend(handles=entries, loc="outside lower center", ncols=legend.columns(entries, width))
