"""Charts as matplotlib figures, ready for print; the only module that draws with matplotlib."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lakebatch.analysis.plots import fitting, legend, style
from lakebatch.analysis.plots.chart import Box, Cells, Chart, Line, Panel
from lakebatch.analysis.plots.marks import Axes, draw_mark
from lakebatch.analysis.plots.positions import place
from lakebatch.analysis.plots.wrapping import wrapped
from lakebatch.assembly.metrics import text_of
from lakebatch.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MM = 1 / 25.4
PANEL_MM = 66.0
ROW_MM = 4.6
CELL_MM, MIN_CELLS_MM = 9.0, 40.0
# height of a cell of a heat map, and least height of all
VECTOR_DPI = 72.0
# at which matplotlib places what it writes to SVG and PDF
MARGIN = 1.2
"""Margin around the boxes of a diagram, in its own units."""
MAX_COLUMNS, MIN_PANEL_MM = 3, 30.0
# panels side by side, and the least width of one
ROW_NAME_SHARE, CHARACTER_MM = 0.42, 1.2
# of a width, for the names of rows; and width of a character


def draw(chart: Chart, width_mm: float | None = None, dpi: float | None = None) -> Figure:
    """Return a chart as a matplotlib figure, laid out for a number of dots per inch.

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
        width = width_mm or _width(chart)
        columns = column_count(chart, width)
        rows = math.ceil(len(chart.panels) / columns)
        size = (width * MM, _height(chart, rows, width) * MM)
        figure = Figure(figsize=size, dpi=dpi, layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharex=chart.share, sharey=chart.share)
        panels = list(zip(grid.flat, chart.panels, strict=False))
        for axes, panel in panels:
            _draw_panel(axes, panel, width)
        _finish(figure, grid, chart, columns, width)
        fitting.fit(figure, panels)
    return figure


def to_bytes(
    chart: Chart,
    form: str,
    metadata: Mapping[str, Any],
    width_mm: float | None = None,
    dpi: float | None = None,
) -> bytes:
    """Return a chart as the reproducible bytes of a PNG, SVG or PDF file; ``dpi`` is that of print by default."""
    dpi = dpi or style.RC["savefig.dpi"]
    figure = draw(chart, width_mm, dpi if form == "png" else VECTOR_DPI)
    import matplotlib

    target = io.BytesIO()
    with matplotlib.rc_context(style.RC):
        figure.set_layout_engine(None)  # it is laid out; matplotlib would do so twice, and draw twice
        figure.savefig(target, format=form, metadata=dict(metadata), dpi=dpi)
    return target.getvalue()


def column_count(chart: Chart, width: float = style.DOUBLE_MM) -> int:
    """Return the number of panels side by side in a width in mm."""
    panels = len(chart.panels)
    most = max(1, int(width // MIN_PANEL_MM))
    return 1 if panels == 1 else min(MAX_COLUMNS if panels <= 9 else 5, panels, most)


def _width(chart: Chart) -> float:
    return style.SINGLE_MM if len(chart.panels) == 1 and not chart.against else style.DOUBLE_MM


def _height(chart: Chart, rows: int, width: float) -> float:
    names = max(
        sum(_row_name(name, width).count("\n") + 1 for name in panel.y_names) for panel in chart.panels
    )
    if any(isinstance(mark, Cells) for mark in chart.panels[0].marks):
        return 18 + max(MIN_CELLS_MM, min(CELL_MM * names, 2 * PANEL_MM))
    if names:
        return 22 + ROW_MM * names + legend.height_mm(chart, width)
    if chart.panels[0].hide_axes:
        return width * _flatness(chart.panels[0])
    each = PANEL_MM if rows == 1 else 46.0 if rows <= 3 else 38.0
    return rows * each + legend.height_mm(chart, width)


def _row_name(name: str, width: float) -> str:
    return wrapped(name, ROW_NAME_SHARE * width / CHARACTER_MM)


def _flatness(panel: Panel) -> float:
    """Return the height of a diagram relative to its width."""
    across, down = _span(panel, "x", MARGIN), _span(panel, "y", MARGIN / 2)
    return (down[1] - down[0]) / (across[1] - across[0])


def _draw_panel(axes: Axes, panel: Panel, width: float) -> None:
    for mark in panel.marks:
        draw_mark(axes, mark, panel, place(mark, panel))
    _label(axes, panel, width)


def _label(axes: Axes, panel: Panel, width: float) -> None:
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label, title=panel.title)
    if panel.hide_axes:
        axes.set_axis_off()
        axes.set_aspect("equal")
        axes.set_xlim(*_span(panel, "x", MARGIN))
        axes.set_ylim(*_span(panel, "y", MARGIN / 2))
    if panel.x_log:
        axes.set_xscale("log")
    if panel.x_names:
        axes.set_xticks(range(len(panel.x_names)), panel.x_names)
        axes.grid(visible=False, axis="x")
    if panel.y_names:
        axes.set_yticks(range(len(panel.y_names)), [_row_name(name, width) for name in panel.y_names])
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
    """Set a tick at each level."""
    axes.set_xticks(ticks, [text_of(tick) for tick in ticks])
    if is_log:
        axes.xaxis.set_minor_formatter("")


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
        if chart.share:
            axes.tick_params(labelbottom=index + columns >= panels)
    shared = _share_labels(figure, flat[:panels], chart.panels[0]) if chart.share and panels > 1 else ""
    legend.draw(figure, legend.handles(chart, width), width, shared)


def _share_labels(figure: Figure, panels: Sequence[Axes], first: Panel) -> str:
    """Label the y axes of all panels once; return the label of their x axes, which belongs above the legend."""
    for axes in panels:
        axes.set(xlabel="", ylabel="")
    figure.supylabel(first.y_label, fontsize=style.RC["axes.labelsize"])
    return first.x_label
