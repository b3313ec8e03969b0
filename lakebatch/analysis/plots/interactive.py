"""Charts as plotly figures, for notebooks and web pages; with `traces` the only module that draws with plotly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakebatch.analysis.plots.chart import Boxes, Cells, Chart, Panel
from lakebatch.analysis.plots.static import column_count
from lakebatch.analysis.plots.traces import draw_panel, escaped
from lakebatch.analysis.plots.wrapping import wrapped
from lakebatch.assembly.metrics import text_of
from lakebatch.errors import MissingDependencyError

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ROW_PX, ROWS_PX, CELL_PX, PANEL_PX, STACKED_PX = 30, 160, 44, 420, 280
# heights of a row of names, of what is around them, of a row of cells, of one panel, and of one among others
LABEL, NARROW_LABEL, NARROW_NAME = 90, 42, 16
# characters of a line of a label across the page, of one across a phone, and of the name of a row on a phone
TICKS, NARROW_TICKS = 16, 7
# tick labels that fit side by side
NARROW = 1
"""Panels side by side on a phone."""


def draw(chart: Chart, columns: int | None = None) -> Figure:
    """Return a chart as a plotly figure with values on hover, zoom, and series that can be hidden.

    Parameters
    ----------
    columns : int, optional
        Panels side by side; with `NARROW` labels fit a phone. As in print by default.

    Raises
    ------
    MissingDependencyError
        If plotly is not installed.
    """
    is_narrow = columns == NARROW
    columns = columns or column_count(chart)
    rows = math.ceil(len(chart.panels) / columns)
    figure = _subplots(chart, rows, columns)
    named: set[tuple[str, bool]] = set()
    for index, panel in enumerate(chart.panels):
        where = {"row": index // columns + 1, "col": index % columns + 1}
        draw_panel(figure, chart, panel, where, named)
        is_last = index + columns >= len(chart.panels) or not chart.share
        is_first = index % columns == 0 or not chart.share
        label = wrapped(panel.x_label, NARROW_LABEL if is_narrow else LABEL / columns) if is_last else ""
        figure.update_xaxes(
            title_text=_broken(label),
            **_across(panel, NARROW_TICKS if is_narrow else TICKS // columns),
            **where,
        )
        figure.update_yaxes(
            title_text=escaped(panel.y_label) if is_first else "",
            **_down(panel, is_narrow=is_narrow),
            **where,
        )
    figure.update_layout(
        title=escaped(chart.title),
        template="plotly_white",
        height=height(chart, rows),
        boxmode="group",
        meta={"caption": chart.caption},
    )
    return figure


def check() -> None:
    """Raise `MissingDependencyError` if plotly is not installed."""
    try:
        import plotly.subplots  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "Interactive pictures need plotly, which is not installed. Install it with: pip install 'lakebatch[plots]'"
        ) from error


def _subplots(chart: Chart, rows: int, columns: int) -> Figure:
    check()
    from plotly.subplots import make_subplots

    return make_subplots(
        rows,
        columns,
        subplot_titles=[escaped(panel.title) for panel in chart.panels],
        shared_xaxes="all" if chart.share else False,
        shared_yaxes="all" if chart.share else False,
        vertical_spacing=0.3 / rows if rows > 1 else 0.0,
    )


def height(chart: Chart, rows: int) -> int:
    """Return the least height in pixels at which a chart can be read."""
    names = max(len(panel.y_names) for panel in chart.panels)
    if any(isinstance(mark, Cells) for mark in chart.panels[0].marks):
        return ROWS_PX + max(CELL_PX * names, STACKED_PX)
    return ROWS_PX + ROW_PX * names if names else PANEL_PX if rows == 1 else STACKED_PX * rows


def _across(panel: Panel, most: int) -> dict[str, Any]:
    """Return range and ticks of the x axis, with as many tick labels as fit."""
    look: dict[str, Any] = {
        "range": panel.x_range,
        "showticklabels": True,
        "automargin": True,
        "zeroline": False,
    }
    if panel.x_ticks:
        look |= {"tickvals": panel.x_ticks, "ticktext": _thinned(panel.x_ticks, most, is_log=panel.x_log)}
    if panel.x_log:
        look |= {"type": "log"}
    if panel.x_names and not any(isinstance(mark, Boxes) for mark in panel.marks):
        look |= {
            "tickvals": list(range(len(panel.x_names))),
            "ticktext": [escaped(name) for name in panel.x_names],
        }
    return look | ({"visible": False} if panel.hide_axes else {})


def _down(panel: Panel, *, is_narrow: bool) -> dict[str, Any]:
    """Return range and ticks of the y axis, names from top to bottom."""
    look: dict[str, Any] = {"range": panel.y_range, "automargin": True, "zeroline": False}
    if panel.y_names:
        names = [wrapped(name, NARROW_NAME) if is_narrow else name for name in panel.y_names]
        look |= {
            "range": [len(names) - 0.5, -0.5],
            "tickvals": list(range(len(names))),
            "ticktext": [_broken(name) for name in names],
        }
    if panel.hide_axes:  # a phone is too narrow for the proportions of print
        look |= {"visible": False} | ({} if is_narrow else {"scaleanchor": "x"})
    return look


def _thinned(ticks: Sequence[float], most: int, *, is_log: bool) -> list[str]:
    """Return the label of each tick, empty where it would touch the one before; ticks lie too close otherwise."""
    at = [math.log(tick) if is_log else tick for tick in ticks]
    room = (max(at) - min(at)) / max(most, 1)
    texts: list[str] = []
    last = -math.inf
    for position, tick in zip(at, ticks, strict=True):
        is_shown = position - last >= room
        texts.append(text_of(tick) if is_shown else "")
        last = position if is_shown else last
    return texts


def _broken(text: str) -> str:
    """Return a text for plotly, its line breaks as tags."""
    return escaped(text).replace("\n", "<br>")
