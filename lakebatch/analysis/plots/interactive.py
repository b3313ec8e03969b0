"""Charts as plotly figures, for notebooks and web pages; the only module that draws with plotly."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lakebatch.analysis.plots import style
from lakebatch.analysis.plots.chart import (
    Arrow,
    Box,
    Boxes,
    Cells,
    Chart,
    Dots,
    Line,
    Panel,
    Rule,
    Series,
    Thread,
    legend_name,
)
from lakebatch.analysis.plots.static import column_count
from lakebatch.errors import MissingDependencyError

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ROW_PX, PANEL_PX = 24, 420


def draw(chart: Chart) -> Figure:
    """Return a chart as a plotly figure with values on hover, zoom, and series that can be hidden.

    Raises
    ------
    MissingDependencyError
        If plotly is not installed.
    """
    try:
        from plotly.subplots import make_subplots
    except ImportError as error:
        raise MissingDependencyError(
            "Interactive pictures need plotly, which is not installed. Install it with: pip install 'lakebatch[plots]'"
        ) from error
    columns = column_count(chart)
    rows = math.ceil(len(chart.panels) / columns)
    figure = make_subplots(
        rows,
        columns,
        subplot_titles=[_text(panel.title) for panel in chart.panels],
        shared_xaxes="all" if chart.share else False,
        shared_yaxes="all" if chart.share else False,
    )
    named: set[tuple[str, bool]] = set()
    for index, panel in enumerate(chart.panels):
        place = {"row": index // columns + 1, "col": index % columns + 1}
        _draw_panel(figure, chart, panel, place, named)
        _label(figure, panel, place, chart.share)
    figure.update_layout(
        title=_text(chart.title),
        template="plotly_white",
        height=_height(chart, rows),
        boxmode="group",
        meta={"caption": chart.caption},
    )
    return figure


def page(chart: Chart, known: Mapping[str, str]) -> str:
    """Return a chart as a web page that needs no other file and no network."""
    text = str(draw(chart).to_html(include_plotlyjs=True, full_html=True, div_id="picture"))
    head, caption = html.escape(chart.title), html.escape(" ".join([chart.caption, *chart.notes]))
    text = text.replace("<html>", '<html lang="en">', 1).replace("<head>", f"<head><title>{head}</title>", 1)
    before, end, after = text.rpartition("</body>")
    return f'{before}<p style="font-family: sans-serif; margin: 1em 5em">{caption}</p>{end}{after}'


def _height(chart: Chart, rows: int) -> int:
    names = max(len(panel.y_names) for panel in chart.panels)
    return 160 + ROW_PX * names if names else PANEL_PX if rows == 1 else 280 * rows


def _draw_panel(
    figure: Figure, chart: Chart, panel: Panel, place: dict[str, int], named: set[tuple[str, bool]]
) -> None:
    drawers: dict[type, Callable[..., None]] = {
        Line: _line, Thread: _thread, Boxes: _boxes, Dots: _dots, Rule: _rule, Box: _box, Arrow: _arrow, Cells: _cells,
    }  # fmt: skip
    for mark in panel.marks:
        look = _legend(mark, named, chart) if isinstance(mark, Line | Boxes | Dots) else {}
        drawers[type(mark)](figure, mark, panel, place, look)


def _legend(mark: Series, named: set[tuple[str, bool]], chart: Chart) -> dict[str, Any]:
    """Return the legend entry of a mark: one for all panels."""
    key = (mark.name, mark.ghost)
    first = key not in named
    name = f"{mark.name} (before)" if mark.ghost else legend_name(chart, mark.name)
    named.add(key)
    return {"name": _text(name), "legendgroup": name, "showlegend": first and bool(mark.name)}


def _label(figure: Figure, panel: Panel, place: dict[str, int], share: bool) -> None:
    x: dict[str, Any] = {"title_text": _text(panel.x_label), "range": panel.x_range, "showticklabels": True}
    repeated = share and place["col"] > 1
    y: dict[str, Any] = {"title_text": "" if repeated else _text(panel.y_label), "range": panel.y_range}
    if panel.x_ticks:
        x |= {"tickvals": panel.x_ticks}
    if panel.x_log:
        x |= {"type": "log"}
    if panel.x_names and not any(isinstance(mark, Boxes) for mark in panel.marks):
        x |= {
            "tickvals": list(range(len(panel.x_names))),
            "ticktext": [_text(name) for name in panel.x_names],
        }
    if panel.y_names:
        y |= {"categoryorder": "array", "categoryarray": [_text(name) for name in reversed(panel.y_names)]}
    if panel.hide_axes:
        x |= {"visible": False}
        y |= {"visible": False, "scaleanchor": "x"}
    figure.update_xaxes(**x, **place)
    figure.update_yaxes(**y, **place)


def _look(mark: Series) -> dict[str, Any]:
    symbol = style.web_marker(mark.slot)
    return {
        "line": {"color": style.colour(mark.slot), "dash": "dash" if mark.ghost else "solid"},
        "marker": {"symbol": f"{symbol}-open" if mark.ghost else symbol, "color": style.colour(mark.slot), "size": 8},
    }  # fmt: skip


def _line(figure: Figure, mark: Line, panel: Panel, place: dict[str, int], legend: dict[str, Any]) -> None:
    mode = "lines" if mark.band else "lines+markers"
    look = _look(mark)
    look["line"]["shape"] = "hv" if mark.step else "linear"
    errors = {} if mark.band or mark.ghost else {"error_y": _errors(mark.y, mark.low, mark.high)}
    figure.add_scatter(x=mark.x, y=mark.y, mode=mode, **look, **errors, **legend, **place)
    if mark.band and mark.low:
        edge = {"mode": "lines", "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip", **place}
        figure.add_scatter(x=mark.x, y=mark.low, **edge)
        figure.add_scatter(x=mark.x, y=mark.high, fill="tonexty", fillcolor=_faint(mark.slot), **edge)


def _thread(
    figure: Figure, mark: Thread, panel: Panel, place: dict[str, int], legend: dict[str, Any]
) -> None:
    line = {"color": style.GREY, "width": 0.5}
    figure.add_scatter(
        x=mark.x, y=mark.y, mode="lines", line=line, opacity=0.5, showlegend=False, hoverinfo="skip", **place
    )


def _boxes(figure: Figure, mark: Boxes, panel: Panel, place: dict[str, int], legend: dict[str, Any]) -> None:
    # plotly groups boxes side by side only on a category axis
    pairs = list(_in_categories(mark, panel.x_names))
    look = {"line": {"color": style.colour(mark.slot)}, "marker": _look(mark)["marker"]}
    fill = "rgba(255,255,255,0)" if mark.ghost else _faint(mark.slot)
    figure.add_box(
        x=[name for name, _ in pairs],
        y=[value for _, value in pairs],
        fillcolor=fill,
        offsetgroup=legend["name"],
        **look,
        **legend,
        **place,
    )
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=list(panel.x_names), **place)


def _in_categories(mark: Boxes, names: Sequence[str]) -> Iterator[tuple[str, float]]:
    for name, values in zip(names, mark.values, strict=True):
        for value in values:
            yield name, value


def _dots(figure: Figure, mark: Dots, panel: Panel, place: dict[str, int], legend: dict[str, Any]) -> None:
    figure.add_scatter(
        x=mark.x,
        y=[_text(name) for name in panel.y_names],
        mode="markers",
        marker=_look(mark)["marker"],
        error_x=_errors(mark.x, mark.low, mark.high),
        **legend,
        **place,
    )


def _rule(figure: Figure, mark: Rule, panel: Panel, place: dict[str, int], legend: dict[str, Any]) -> None:
    look = {
        "line": {"color": style.GREY, "width": 1, "dash": "dot"},
        "exclude_empty_subplots": False,
        **place,
    }
    if mark.axis == "y":
        figure.add_hline(mark.at, **look)
    else:
        figure.add_vline(mark.at, annotation_text=_text(mark.text), **look)


def _box(figure: Figure, mark: Box, panel: Panel, place: dict[str, int], legend: dict[str, Any]) -> None:
    figure.add_scatter(
        x=[mark.x],
        y=[mark.y],
        mode="markers+text",
        text=[_text(mark.name)],
        marker={"size": 44, "color": "white", "line": {"color": style.colour(mark.slot), "width": 2}},
        showlegend=False,
        hoverinfo="text",
        **place,
    )


def _arrow(figure: Figure, mark: Arrow, panel: Panel, place: dict[str, int], legend: dict[str, Any]) -> None:
    figure.add_annotation(
        x=mark.end[0], y=mark.end[1], ax=mark.start[0], ay=mark.start[1],
        xref="x", yref="y", axref="x", ayref="y", standoff=24, startstandoff=24,
        arrowhead=2 if mark.up else 7, arrowwidth=1.6, text="",
        arrowcolor=style.COLOURS[0] if mark.up else style.COLOURS[1],
    )  # fmt: skip


def _cells(figure: Figure, mark: Cells, panel: Panel, place: dict[str, int], legend: dict[str, Any]) -> None:
    figure.add_heatmap(
        x=[_text(name) for name in panel.x_names],
        y=[_text(name) for name in panel.y_names],
        z=[list(row) for row in mark.values],
        colorscale=style.CELL_COLOURS,
        colorbar={"title": {"text": _text(mark.label), "side": "right"}},
        **place,
    )
    figure.update_xaxes(type="category", **place)
    figure.update_yaxes(type="category", **place)


def _errors(
    values: Sequence[float | None], low: Sequence[float | None], high: Sequence[float | None]
) -> dict[str, Any]:
    if not low:
        return {"visible": False}
    up = [_distance(end, value) for value, end in zip(values, high, strict=True)]
    down = [_distance(value, end) for value, end in zip(values, low, strict=True)]
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "thickness": 1, "width": 3}


def _distance(upper: float | None, lower: float | None) -> float | None:
    return None if upper is None or lower is None else max(upper - lower, 0.0)


def _faint(slot: int) -> str:
    shade = style.colour(slot).removeprefix("#")
    red, green, blue = (int(shade[index : index + 2], 16) for index in (0, 2, 4))
    return f"rgba({red},{green},{blue},0.2)"


def _text(text: str) -> str:
    """Return a string with escaped tags, which plotly would interpret."""
    return html.escape(text, quote=False)
