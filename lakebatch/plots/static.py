"""A chart as a figure of matplotlib, ready for print. The only module that draws with matplotlib."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from lakebatch.errors import MissingDependencyError
from lakebatch.plots import style
from lakebatch.plots.chart import Arrow, Box, Boxes, Chart, Dots, Line, Mark, Panel, Rule, Thread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Axes: TypeAlias = Any
"""matplotlib's own, whose types differ from version to version."""

MM = 1 / 25.4
PANEL_MM = 66.0
ROW_MM = 4.6
MARGIN = 1.2
"""Room around the boxes of a diagram, in its own units."""
MOST_COLUMNS = 3
DODGE = 0.1
"""How far apart intervals at one level are drawn, as a part of the smallest step between levels."""


def draw(chart: Chart, width_mm: float | None = None) -> Figure:
    """Return a chart as a figure of matplotlib.

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
    """Return a chart as the bytes of a PNG, SVG or PDF file, the same each time."""
    figure = draw(chart, width_mm)
    import matplotlib

    target = io.BytesIO()
    with matplotlib.rc_context(style.RC):
        figure.savefig(target, format=form, metadata=dict(metadata))
    return target.getvalue()


def column_count(chart: Chart) -> int:
    """Return how many panels stand side by side."""
    panels = len(chart.panels)
    return 1 if panels == 1 else min(MOST_COLUMNS if panels <= 9 else 5, panels)


def _width(chart: Chart, columns: int) -> float:
    return style.SINGLE_MM if columns == 1 and not chart.against else style.DOUBLE_MM


def _height(chart: Chart, rows: int, width: float) -> float:
    names = max(len(panel.y_names) for panel in chart.panels)
    if names:
        return 22 + ROW_MM * names + _legend_mm(chart, width)
    if chart.panels[0].bare:
        return width * _flatness(chart.panels[0])
    each = PANEL_MM if rows == 1 else 46.0 if rows <= 3 else 38.0
    return rows * each + _legend_mm(chart, width)


def _flatness(panel: Panel) -> float:
    """Return the height of a diagram relative to its width."""
    across, down = _span(panel, "x", MARGIN), _span(panel, "y", MARGIN / 2)
    return (down[1] - down[0]) / (across[1] - across[0])


def _draw_panel(axes: Axes, panel: Panel) -> None:
    drawers: dict[type, Callable[..., None]] = {
        Line: _line, Thread: _thread, Boxes: _boxes, Dots: _dots, Rule: _rule, Box: _box, Arrow: _arrow,
    }  # fmt: skip
    for mark in panel.marks:
        drawers[type(mark)](axes, mark, panel, _place(mark, panel))
    _label(axes, panel)


def _place(mark: Mark, panel: Panel) -> float:
    """Return how far a mark stands beside the middle, in places; lines of one name share a place."""
    if isinstance(mark, Line):
        slots = sorted({each.slot for each in panel.series})
        return slots.index(mark.slot) - (len(slots) - 1) / 2
    series = panel.series
    return series.index(mark) - (len(series) - 1) / 2 if isinstance(mark, Boxes | Dots) else 0.0


def _label(axes: Axes, panel: Panel) -> None:
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label, title=panel.title)
    if panel.bare:
        axes.set_axis_off()
        axes.set_aspect("equal")
        axes.set_xlim(*_span(panel, "x", MARGIN))
        axes.set_ylim(*_span(panel, "y", MARGIN / 2))
    if panel.x_names:
        axes.set_xticks(range(len(panel.x_names)), panel.x_names)
        axes.grid(visible=False, axis="x")
    if panel.y_names:
        axes.set_yticks(range(len(panel.y_names)), panel.y_names)
        axes.set_ylim(len(panel.y_names) - 0.4, -0.6)
    if panel.x_ticks:
        _set_ticks(axes, panel.x_ticks)
    if panel.whole:
        axes.yaxis.get_major_locator().set_params(integer=True)
    if panel.x_range:
        axes.set_xlim(panel.x_range)
    if panel.y_range:
        axes.set_ylim(panel.y_range)


def _span(panel: Panel, axis: str, margin: float) -> tuple[float, float]:
    places: list[float] = [getattr(mark, axis) for mark in panel.marks if isinstance(mark, Box)]
    return min(places) - margin, max(places) + margin


def _set_ticks(axes: Axes, ticks: Sequence[float]) -> None:
    """Put a tick at each level, and a number where there is room for one."""
    room = (max(ticks) - min(ticks)) / 8
    labelled: list[float] = []
    for tick in ticks:
        if not labelled or tick - labelled[-1] >= room:
            labelled.append(tick)
    axes.set_xticks(labelled, [f"{tick:g}" for tick in labelled])
    axes.set_xticks([tick for tick in ticks if tick not in labelled], minor=True)


def _line(axes: Axes, mark: Line, panel: Panel, place: float) -> None:
    look: dict[str, Any] = {"color": style.colour(mark.slot), "linestyle": "--" if mark.ghost else "-"}
    x = list(mark.x) if mark.band or mark.step else _dodged(mark.x, panel, place)
    y = _filled(mark.y)
    if mark.step:
        axes.step(x, y, where="post", marker=style.marker(mark.slot), **look)
        return
    if mark.band:
        axes.plot(x, y, **look)
        if mark.low:
            axes.fill_between(
                x, _filled(mark.low), _filled(mark.high), color=look["color"], alpha=0.2, linewidth=0
            )
        return
    points = {"marker": style.marker(mark.slot), "markerfacecolor": "white" if mark.ghost else look["color"]}
    errors = None if mark.ghost else _errors(mark.y, mark.low, mark.high)
    axes.errorbar(x, y, yerr=errors, elinewidth=0.7, capsize=1.8, capthick=0.7, **look, **points)


def _thread(axes: Axes, mark: Thread, panel: Panel, place: float) -> None:
    axes.plot(mark.x, mark.y, color=style.GREY, linewidth=0.4, alpha=0.45)


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
            "linestyle": "--" if mark.ghost else "-",
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
    shade = style.colour(mark.slot)
    rows = [index for index, value in enumerate(mark.x) if value is not None]
    shift = place * min(0.16, 0.6 / len(panel.series)) if mark.ghost or _rows_clash(panel) else 0.0
    errors = _errors([mark.x[row] for row in rows], [mark.low[row] for row in rows] if mark.low else (),
                     [mark.high[row] for row in rows] if mark.high else ())  # fmt: skip
    axes.errorbar(
        [mark.x[row] for row in rows],
        [row + shift for row in rows],
        xerr=errors,
        linestyle="none",
        color=shade,
        marker=style.marker(mark.slot),
        markerfacecolor="white" if mark.ghost else shade,
        elinewidth=0.7,
        capsize=1.8,
        capthick=0.7,
    )


def _rows_clash(panel: Panel) -> bool:
    """Return whether two marks have a point in one row."""
    taken = [
        index
        for mark in panel.series
        if isinstance(mark, Dots)
        for index, x in enumerate(mark.x)
        if x is not None
    ]
    return len(taken) != len(set(taken))


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
    """Draw an edge from the rim of one box to that of the other; boxes are drawn before."""
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


def _finish(figure: Figure, grid: Any, chart: Chart, columns: int, width: float) -> None:
    """Take away unused axes and repeated labels, and put one legend under all panels."""
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
    handles = _handles(chart)
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=_legend_columns(handles, width))


def _handles(chart: Chart) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    marks = {mark.name: mark for panel in chart.panels for mark in reversed(panel.series) if mark.name}
    if len(marks) < 2 and not chart.against:
        return []
    handles: list[Any] = [
        Patch(facecolor=style.colour(mark.slot) + "66", edgecolor=style.colour(mark.slot), label=name)
        if isinstance(mark, Boxes)
        else Line2D([], [], color=style.colour(mark.slot), marker=style.marker(mark.slot), label=name,
               linestyle="none" if isinstance(mark, Dots) else "-")
        for name, mark in sorted(marks.items(), key=lambda item: item[1].slot)
    ]  # fmt: skip
    if chart.against:
        hollow: dict[str, Any] = {
            "color": style.GREY,
            "markerfacecolor": "white",
            "marker": "o",
            "linestyle": "--",
        }
        handles.append(Line2D([], [], label=chart.against, **hollow))
    return handles


def _legend_columns(handles: Sequence[Any], width: float) -> int:
    longest = max(len(handle.get_label()) for handle in handles)
    return max(1, min(len(handles), int(width // (longest * 1.35 + 11))))


def _legend_mm(chart: Chart, width: float) -> float:
    handles = _handles(chart)
    return 3.6 * math.ceil(len(handles) / _legend_columns(handles, width)) if handles else 0.0


def _dodged(x: Sequence[float], panel: Panel, place: float) -> list[float]:
    """Return positions moved a little aside, so that intervals do not hide each other."""
    ticks = sorted(set(panel.x_ticks or x))
    steps = [after - before for before, after in pairwise(ticks)]
    return [value + place * DODGE * min(steps, default=0.0) for value in x]


def _errors(y: Sequence[float | None], low: Sequence[float | None], high: Sequence[float | None]) -> Any:
    if not low:
        return None
    down = [_distance(each, end) for each, end in zip(y, low, strict=True)]
    up = [_distance(end, each) for each, end in zip(y, high, strict=True)]
    return [down, up]


def _distance(upper: float | None, lower: float | None) -> float:
    return math.nan if upper is None or lower is None else max(upper - lower, 0.0)


def _filled(values: Iterable[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]
