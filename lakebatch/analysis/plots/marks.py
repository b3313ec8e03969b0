"""Drawing of each kind of mark with matplotlib."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from lakebatch.analysis.plots import style
from lakebatch.analysis.plots.chart import Arrow, Box, Boxes, Cells, Dots, Line, Mark, Panel, Rule, Thread
from lakebatch.analysis.plots.positions import dodged, row_shift

Axes: TypeAlias = Any
"""The axes of matplotlib, whose types differ between versions."""

MAX_CELLS_WITH_TEXT = 10
# in one direction; text in more cells could not be read


def draw_mark(axes: Axes, mark: Mark, panel: Panel, place: float) -> None:
    """Draw a mark.

    Parameters
    ----------
    place : float
        The offset from the middle, in widths of marks that share a position.
    """
    drawers: dict[type, Callable[..., None]] = {
        Line: _line, Thread: _thread, Boxes: _boxes, Dots: _dots, Rule: _rule, Box: _box, Arrow: _arrow, Cells: _cells,
    }  # fmt: skip
    drawers[type(mark)](axes, mark, panel, place)


def _line(axes: Axes, mark: Line, panel: Panel, place: float) -> None:
    look: dict[str, Any] = {"color": style.colour(mark.slot), "linestyle": "--" if mark.ghost else "-"}
    x = list(mark.x) if mark.band or mark.step else dodged(mark.x, panel, place)
    y = _nan_for_none(mark.y)
    if mark.step:
        axes.step(x, y, where="post", marker=style.marker(mark.slot), **look)
        return
    if mark.band:
        axes.plot(x, y, **look)
        if mark.low:
            axes.fill_between(
                x,
                _nan_for_none(mark.low),
                _nan_for_none(mark.high),
                color=look["color"],
                alpha=0.2,
                linewidth=0,
            )
        return
    points = {"marker": style.marker(mark.slot), "markerfacecolor": "white" if mark.ghost else look["color"]}
    errors = None if mark.ghost else _errors(mark.y, mark.low, mark.high)
    axes.plot(x, y, **look, **points)
    if errors is not None:
        axes.errorbar(x, y, yerr=errors, **style.INTERVAL, color=look["color"])


def _thread(axes: Axes, mark: Thread, panel: Panel, place: float) -> None:
    axes.plot(mark.x, mark.y, **style.THREAD)


def _boxes(axes: Axes, mark: Boxes, panel: Panel, place: float) -> None:
    width = 0.8 / len(panel.series)
    places = [index for index, values in enumerate(mark.values) if values]
    shade = style.colour(mark.slot)
    axes.boxplot(
        [list(mark.values[index]) for index in places],
        positions=[index + place * width for index in places],
        widths=width * 0.8,
        patch_artist=True,
        manage_ticks=False,
        boxprops={
            "facecolor": "white" if mark.ghost else shade + "66",
            "edgecolor": shade,
            "linewidth": 0.7,
        },
        medianprops={"color": shade, "linewidth": 1.4},
        whiskerprops={"color": shade, "linewidth": 0.7},
        capprops={"color": shade, "linewidth": 0.7},
        flierprops={
            "marker": style.marker(mark.slot),
            "markersize": 2,
            "markerfacecolor": "none",
            "markeredgecolor": shade,
            "markeredgewidth": 0.5,
        },
    )


def _dots(axes: Axes, mark: Dots, panel: Panel, place: float) -> None:
    shade = style.GREY_POINT if mark.muted else style.colour(mark.slot)
    rows = [index for index, value in enumerate(mark.x) if value is not None]
    shift = row_shift(mark, panel, place)
    errors = _errors([mark.x[row] for row in rows], [mark.low[row] for row in rows] if mark.low else (),
                     [mark.high[row] for row in rows] if mark.high else ())  # fmt: skip
    x, y = [mark.x[row] for row in rows], [row + shift for row in rows]
    face = "white" if mark.ghost else shade
    axes.plot(x, y, linestyle="none", color=shade, marker=style.marker(mark.slot), markerfacecolor=face)
    if errors is not None:
        axes.errorbar(x, y, xerr=errors, **style.INTERVAL, color=shade)


def _rule(axes: Axes, mark: Rule, panel: Panel, place: float) -> None:
    look = {"color": style.GREY, "linewidth": 0.8, "linestyle": ":", "zorder": 1.5}
    if mark.axis == "y":
        axes.axhline(mark.at, **look)
        return
    axes.axvline(mark.at, **look)
    if mark.text:
        axes.annotate(
            mark.text, (mark.at, 1), xycoords=("data", "axes fraction"), xytext=(2, -2), va="top",
            textcoords="offset points", fontsize=6, color=style.GREY,
        )  # fmt: skip


def _box(axes: Axes, mark: Box, panel: Panel, place: float) -> None:
    axes.text(
        mark.x, mark.y, mark.name, ha="center", va="center", fontsize=8, zorder=3, label=mark.name,
        bbox={"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": style.colour(mark.slot), "linewidth": 1.4},
    )  # fmt: skip


def _arrow(axes: Axes, mark: Arrow, panel: Panel, place: float) -> None:
    """Draw an edge between the rims of two boxes, which are drawn before."""
    rims = {text.get_position(): text.get_bbox_patch() for text in axes.texts if text.get_text()}
    axes.annotate(
        "", mark.end, mark.start,
        arrowprops={
            "arrowstyle": "-|>,head_width=0.22,head_length=0.4" if mark.up else "|-|,widthA=0,widthB=0.35",
            "connectionstyle": f"arc3,rad={mark.curve}",
            "color": style.COLOURS[0] if mark.up else style.COLOURS[1],
            "linewidth": 1.1, "linestyle": "-" if mark.up else "--", "mutation_scale": 10,
            "patchA": rims[mark.start], "patchB": rims[mark.end], "shrinkA": 1, "shrinkB": 2 if mark.up else 4,
        },
    )  # fmt: skip


def _cells(axes: Axes, mark: Cells, panel: Panel, place: float) -> None:
    """Draw coloured cells with their values, and a colour bar."""
    rows = [_nan_for_none(row) for row in mark.values]
    least, greatest = mark.limits or (None, None)
    image = axes.imshow(
        rows, cmap=style.CELL_COLOURS, aspect="auto", interpolation="nearest", vmin=least, vmax=greatest
    )
    axes.grid(visible=False)
    axes.figure.colorbar(image, ax=axes, label=mark.label)
    if max(len(rows), len(rows[0])) > MAX_CELLS_WITH_TEXT:
        return
    low, high = image.get_clim()
    for y, row in enumerate(mark.values):
        for x, value in enumerate(row):
            if value is not None:
                is_dark = high > low and (value - low) / (high - low) < 0.5
                look = {
                    "ha": "center",
                    "va": "center",
                    "fontsize": 6,
                    "color": "white" if is_dark else "black",
                }
                axes.text(x, y, f"{value:.3g}", **look)


def _errors(y: Sequence[float | None], low: Sequence[float | None], high: Sequence[float | None]) -> Any:
    if not low:
        return None
    down = [_distance(each, end) for each, end in zip(y, low, strict=True)]
    up = [_distance(end, each) for each, end in zip(y, high, strict=True)]
    return [down, up]


def _distance(upper: float | None, lower: float | None) -> float:
    return math.nan if upper is None or lower is None else max(upper - lower, 0.0)


def _nan_for_none(values: Iterable[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]
