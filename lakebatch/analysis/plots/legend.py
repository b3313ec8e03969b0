"""The legend of a chart, drawn with matplotlib below all panels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from lakebatch.analysis.plots import style
from lakebatch.analysis.plots.chart import Boxes, Chart, Dots, Line, Series, Thread, legend_name
from lakebatch.analysis.plots.wrapping import wrapped

LINE_MM = 3.6
CHARACTER_MM, HANDLE_MM, LABEL_MM = 1.35, 11.0, 1.7
# widths of a character of an entry, of its handle, and of a character of a label


def handles(chart: Chart, width: float) -> list[Any]:
    """Return the entries of the legend in the order of the colours; none for a single series."""
    entries = _all(chart)
    for each in entries:
        each.set_label(wrapped(each.get_label(), (width - HANDLE_MM) / CHARACTER_MM))
    return entries


def _all(chart: Chart) -> list[Any]:
    marks = {mark.name: mark for panel in chart.panels for mark in reversed(panel.series) if mark.name}
    in_order = sorted(marks.items(), key=lambda item: item[1].slot)
    entries = [each for name, mark in in_order for each in _entries(mark, legend_name(chart, name))]
    entries += _threads(chart)
    if chart.against:
        return [*entries, _hollow(chart)]
    return entries if len(entries) > 1 else []


def draw(figure: Any, entries: Sequence[Any], width: float, label: str = "") -> None:
    """Draw the legend, below a label that all x axes share: a layout keeps one thing at the bottom of a figure."""
    size, text = style.RC["axes.labelsize"], wrapped(label, width / LABEL_MM)
    if entries:
        outside = {"loc": "outside lower center", "ncols": columns(entries, width)}
        drawn = figure.legend(handles=entries, title=text or None, title_fontsize=size, **outside)
        drawn.get_title().set_multialignment("center")
    elif text:
        figure.supxlabel(text, fontsize=size)


def columns(entries: Sequence[Any], width: float) -> int:
    """Return how many entries fit side by side into a width in mm."""
    longest = max(_length(entry) for entry in entries)
    return max(1, min(len(entries), int(width // (longest * CHARACTER_MM + HANDLE_MM))))


def height_mm(chart: Chart, width: float) -> float:
    """Return the height of the legend."""
    entries = handles(chart, width)
    if not entries:
        return 0.0
    lines = max(str(each.get_label()).count("\n") + 1 for each in entries)
    return LINE_MM * lines * math.ceil(len(entries) / columns(entries, width))


def _length(entry: Any) -> int:
    return max(map(len, str(entry.get_label()).split("\n")))


def _entries(mark: Series, label: str) -> Iterator[Any]:
    """Yield the entry of a series; of a band two."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    shade = style.colour(mark.slot)
    if isinstance(mark, Boxes):
        yield Patch(facecolor=f"{shade}66", edgecolor=shade, label=label)
    elif isinstance(mark, Line) and mark.band:
        yield Line2D([], [], color=shade, label=label)
        yield Patch(facecolor=f"{shade}33", edgecolor="none", label=mark.band)
    else:
        line: Any = "none" if isinstance(mark, Dots) else "-"
        yield Line2D([], [], color=shade, marker=style.marker(mark.slot), linestyle=line, label=label)


def _threads(chart: Chart) -> list[Any]:
    """Return the entries of thin lines."""
    from matplotlib.lines import Line2D

    named = {
        mark.name: None
        for panel in chart.panels
        for mark in panel.marks
        if isinstance(mark, Thread) and mark.name
    }
    return [Line2D([], [], label=name, **style.THREAD) for name in named]


def _hollow(chart: Chart) -> Any:
    """Return the legend entry of the state in the background."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    kinds = {type(mark) for panel in chart.panels for mark in panel.series}
    if Boxes in kinds:
        return Patch(facecolor="white", edgecolor=style.GREY, label=chart.against)
    line: Any = "--" if Line in kinds else "none"
    return Line2D(
        [], [], label=chart.against, color=style.GREY, markerfacecolor="white", marker="o", linestyle=line
    )
