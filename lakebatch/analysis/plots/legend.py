"""The legend of a chart, drawn with matplotlib below all panels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from lakebatch.analysis.plots import style
from lakebatch.analysis.plots.chart import Boxes, Chart, Dots, Line, Series, Thread, legend_name

LINE_MM = 3.6
CHARACTER_MM, HANDLE_MM = 1.35, 11.0


def handles(chart: Chart) -> list[Any]:
    """Return the entries of the legend in the order of the colours; none for a single series."""
    marks = {mark.name: mark for panel in chart.panels for mark in reversed(panel.series) if mark.name}
    in_order = sorted(marks.items(), key=lambda item: item[1].slot)
    entries = [each for name, mark in in_order for each in _entries(mark, legend_name(chart, name))]
    entries += _threads(chart)
    if chart.against:
        return [*entries, _hollow(chart)]
    return entries if len(entries) > 1 else []


def columns(entries: Sequence[Any], width: float) -> int:
    """Return how many entries fit side by side into a width in mm."""
    longest = max(len(entry.get_label()) for entry in entries)
    return max(1, min(len(entries), int(width // (longest * CHARACTER_MM + HANDLE_MM))))


def height_mm(chart: Chart, width: float) -> float:
    """Return the height of the legend."""
    entries = handles(chart)
    return LINE_MM * math.ceil(len(entries) / columns(entries, width)) if entries else 0.0


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
