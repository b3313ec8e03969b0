"""Drawing of each kind of mark with plotly."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
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
from lakebatch.analysis.plots.marks import MAX_CELLS_WITH_TEXT
from lakebatch.analysis.plots.positions import dodged, place, row_shift
from lakebatch.assembly.metrics import text_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Where = dict[str, int]
"""Row and column of a panel."""


def draw_panel(
    figure: Figure, chart: Chart, panel: Panel, where: Where, named: set[tuple[str, bool]]
) -> None:
    """Draw the marks of a panel.

    Parameters
    ----------
    named : set of (name, whether it is the state in the background)
        The series with an entry in the legend; the new ones are added.
    """
    drawers: dict[type, Callable[..., None]] = {
        Line: _line, Thread: _thread, Boxes: _boxes, Dots: _dots, Rule: _rule, Box: _box, Arrow: _arrow, Cells: _cells,
    }  # fmt: skip
    for mark in panel.marks:
        look = _legend(mark, named, chart) if isinstance(mark, Line | Boxes | Dots | Thread) else {}
        drawers[type(mark)](figure, mark, panel, where, look)


def _legend(mark: Series | Thread, named: set[tuple[str, bool]], chart: Chart) -> dict[str, Any]:
    """Return the legend entry of a mark: one for all panels."""
    first = (mark.name, mark.ghost) not in named
    named.add((mark.name, mark.ghost))
    name = f"{mark.name} (before)" if mark.ghost else legend_name(chart, mark.name)
    return {"name": escaped(name), "legendgroup": name, "showlegend": first and bool(mark.name)}


def _look(mark: Series) -> dict[str, Any]:
    symbol = style.web_marker(mark.slot)
    return {
        "line": {"color": style.colour(mark.slot), "dash": "dash" if mark.ghost else "solid"},
        "marker": {"symbol": f"{symbol}-open" if mark.ghost else symbol, "color": style.colour(mark.slot), "size": 8},
    }  # fmt: skip


def _line(figure: Figure, mark: Line, panel: Panel, where: Where, legend: dict[str, Any]) -> None:
    look = _look(mark)
    look["line"]["shape"] = "hv" if mark.step else "linear"
    errors = {} if mark.band or mark.ghost else {"error_y": _errors(mark.y, mark.low, mark.high)}
    figure.add_scatter(
        x=mark.x if mark.band or mark.step else dodged(mark.x, panel, place(mark, panel)),
        y=mark.y,
        mode="lines" if mark.band else "lines+markers",
        **({} if mark.step or mark.band else _hover(mark, [_at(panel, x) for x in mark.x], mark.y)),
        **look,
        **errors,
        **legend,
        **where,
    )
    if mark.band and mark.low:
        edge: dict[str, Any] = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", **where}
        shown = {**legend, "name": escaped(mark.band), "legendgroup": mark.band}
        figure.add_scatter(x=mark.x, y=mark.low, **edge, legendgroup=mark.band, showlegend=False)
        figure.add_scatter(
            x=mark.x, y=mark.high, fill="tonexty", fillcolor=_faint(mark.slot), **edge, **shown
        )


def _at(panel: Panel, x: Any) -> str:
    return panel.x_names[round(x)] if panel.x_names else text_of(x)


def _hover(mark: Line | Dots, places: Sequence[str], values: Sequence[float | None]) -> dict[str, Any]:
    """Return what a pointer over each point shows: its place, its value and the ends of its interval."""
    low, high = (ends or (None,) * len(values) for ends in (mark.low, mark.high))
    texts = [
        f"{at}: {value:.4g}" + (f" ({down:.4g} to {up:.4g})" if down is not None and up is not None else "")
        for at, value, down, up in zip(places, values, low, high, strict=True)
        if value is not None
    ]
    supply = iter(texts)
    text = [escaped(next(supply)) if value is not None else "" for value in values]
    return {"hovertext": text, "hoverinfo": "text+name"}


def _thread(figure: Figure, mark: Thread, panel: Panel, where: Where, legend: dict[str, Any]) -> None:
    line = {"color": style.GREY, "width": 0.5}
    figure.add_scatter(
        x=mark.x, y=mark.y, mode="lines", line=line, opacity=0.5, hoverinfo="skip", **legend, **where
    )


def _boxes(figure: Figure, mark: Boxes, panel: Panel, where: Where, legend: dict[str, Any]) -> None:
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
        **where,
    )
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=list(panel.x_names), **where)


def _in_categories(mark: Boxes, names: Sequence[str]) -> Iterator[tuple[str, float]]:
    for name, values in zip(names, mark.values, strict=True):
        for value in values:
            yield name, value


def _dots(figure: Figure, mark: Dots, panel: Panel, where: Where, legend: dict[str, Any]) -> None:
    shift = row_shift(mark, panel, place(mark, panel))
    look = _look(mark)["marker"] | ({"color": style.GREY_POINT} if mark.muted else {})
    figure.add_scatter(
        x=mark.x,
        y=[index + shift for index in range(len(panel.y_names))],
        mode="markers",
        marker=look,
        error_x=_errors(mark.x, mark.low, mark.high) | ({"color": style.GREY_POINT} if mark.muted else {}),
        **_hover(mark, panel.y_names, mark.x),
        **legend,
        **where,
    )


def _rule(figure: Figure, mark: Rule, panel: Panel, where: Where, legend: dict[str, Any]) -> None:
    look = {
        "line": {"color": style.GREY, "width": 1, "dash": "dot"},
        "exclude_empty_subplots": False,
        **where,
    }
    if mark.axis == "y":
        figure.add_hline(mark.at, **look)
    else:
        figure.add_vline(mark.at, annotation_text=escaped(mark.text), **look)


def _box(figure: Figure, mark: Box, panel: Panel, where: Where, legend: dict[str, Any]) -> None:
    figure.add_scatter(
        x=[mark.x],
        y=[mark.y],
        mode="markers+text",
        text=[escaped(mark.name)],
        marker={"size": 44, "color": "white", "line": {"color": style.colour(mark.slot), "width": 2}},
        showlegend=False,
        hoverinfo="text",
        **where,
    )


def _arrow(figure: Figure, mark: Arrow, panel: Panel, where: Where, legend: dict[str, Any]) -> None:
    figure.add_annotation(
        x=mark.end[0], y=mark.end[1], ax=mark.start[0], ay=mark.start[1],
        xref="x", yref="y", axref="x", ayref="y", standoff=24, startstandoff=24,
        arrowhead=2 if mark.up else 7, arrowwidth=1.6, text="",
        arrowcolor=style.COLOURS[0] if mark.up else style.COLOURS[1],
    )  # fmt: skip


def _cells(figure: Figure, mark: Cells, panel: Panel, where: Where, legend: dict[str, Any]) -> None:
    least, greatest = mark.limits or (None, None)
    is_small = max(len(panel.x_names), len(panel.y_names)) <= MAX_CELLS_WITH_TEXT
    figure.add_heatmap(
        x=list(range(len(panel.x_names))),
        y=list(range(len(panel.y_names))),
        z=[list(row) for row in mark.values],
        zmin=least,
        zmax=greatest,
        texttemplate="%{z:.3g}" if is_small else "",
        hovertemplate="%{z:.4g}<extra></extra>",
        colorscale=style.CELL_COLOURS,
        colorbar={"title": {"text": escaped(mark.label), "side": "right"}, "thickness": 12},
        **where,
    )


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


def escaped(text: str) -> str:
    """Return a string with escaped tags, which plotly would interpret."""
    return html.escape(text, quote=False)
