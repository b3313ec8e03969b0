"""Labels of a matplotlib figure fitted into it: long ones wrapped, tick labels without overlap."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from lakebatch.analysis.plots.chart import Panel
from lakebatch.analysis.plots.wrapping import wrapped

GAP = 0.6
"""Least space between two tick labels, in heights of a digit."""
LINE_INCH = 0.135
SLANT, UPRIGHT = 30, 90


def fit(figure: Any, panels: Sequence[tuple[Any, Panel]]) -> None:
    """Wrap labels that are longer than their axis, and slant or leave out tick labels that would touch others.

    The figure grows by the height of the lines that are added. It is laid out again only if a text was changed, because
    that takes as long as drawing it.

    Parameters
    ----------
    panels : sequence of (axes, Panel)
        The axes of the figure with what is drawn in each.
    """
    _lay_out(figure)
    before = _texts(figure, panels)
    for axes, _ in panels:
        _move_offset(axes)
    lines = max((_wrap_labels(axes) for axes, _ in panels), default=0)
    if figure._supylabel is not None:
        _wrap(figure._supylabel, figure.bbox.height, is_upright=True)
    slanted = max((_slant(axes) for axes, panel in panels if panel.x_names), default=0.0)
    if slanted or _texts(figure, panels) != before:
        figure.set_figheight(figure.get_figheight() + LINE_INCH * lines + slanted)
        _lay_out(figure)
    for axes, _ in panels:
        _thin_out(axes)


def _lay_out(figure: Any) -> None:
    """Give axes, ticks and labels their places; nothing is drawn, which takes as long again."""
    figure.get_layout_engine().execute(figure)


def _texts(figure: Any, panels: Sequence[tuple[Any, Panel]]) -> list[str]:
    """Return the title and the labels of all axes, as they are broken into lines."""
    own = [each for axes, _ in panels for each in (axes._left_title, axes.xaxis.label, axes.yaxis.label)]
    return [each.get_text() for each in (*own, figure._supylabel) if each is not None]


def _move_offset(axes: Any) -> None:
    """Move the date that all tick labels share from the end of the axis, where it may hit the label, into the label."""
    offset = axes.xaxis.get_offset_text()
    if offset.get_text() and offset.get_visible():
        axes.set_xlabel(f"{axes.get_xlabel()}, {offset.get_text()}")
        offset.set_visible(False)


def _wrap_labels(axes: Any) -> int:
    """Wrap the title and the labels of axes; return how many lines are added above and below."""
    width, height = axes.bbox.width, axes.bbox.height
    _wrap(axes.yaxis.label, height, is_upright=True)
    return _wrap(axes._left_title, width) + _wrap(axes.xaxis.label, width)


def _wrap(text: Any, room: float, *, is_upright: bool = False) -> int:
    """Wrap a text into a length in pixels; return how many lines are added."""
    written = text.get_text()
    extent = text.get_window_extent()
    length = extent.height if is_upright else extent.width
    if not written or length <= room:
        return 0
    text.set_text(wrapped(written, len(written) * room / length))
    return int(text.get_text().count("\n"))


def _slant(axes: Any) -> float:
    """Slant the names of categories if they would touch; return the height in inches that it takes."""
    labels = _shown(axes)
    if not _overlap(labels):
        return 0.0
    extents = [each.get_window_extent() for each in labels]
    step = (extents[-1].x0 - extents[0].x0) / (len(extents) - 1)
    angle = SLANT if step > extents[0].height / math.sin(math.radians(SLANT)) else UPRIGHT
    align = {
        "rotation": angle,
        "ha": "right",
        "va": "center" if angle == UPRIGHT else "top",
        "rotation_mode": "anchor",
    }
    for each in labels:
        each.set(**align)
    longest = max(each.width for each in extents)
    return float(longest * math.sin(math.radians(angle)) / axes.figure.dpi)


def _thin_out(axes: Any) -> None:
    """Remove the labels of ticks on the x axis that touch the one before; the first and the last stay."""
    for each in _touching(_shown(axes)):
        each.set_visible(False)


def _shown(axes: Any) -> list[Any]:
    """Return the tick labels of the x axis within its range, from left to right."""
    low, high = sorted(axes.get_xlim())
    labels = [each for each in axes.get_xticklabels() if each.get_text() and each.get_visible()]
    inside = [each for each in labels if low <= each.get_position()[0] <= high]
    return sorted(inside, key=lambda each: each.get_position()[0])


def _touching(labels: list[Any]) -> Iterable[Any]:
    """Yield the labels to leave out, so that none touches another."""
    if len(labels) < 2:
        return
    ends = {id(each): each.get_window_extent() for each in labels}
    last, kept = labels[-1], labels[0]
    for each in labels[1:-1]:
        gap = GAP * ends[id(each)].height
        if ends[id(each)].x0 - gap < ends[id(kept)].x1 or ends[id(each)].x1 + gap > ends[id(last)].x0:
            yield each
        else:
            kept = each
    if ends[id(last)].x0 <= ends[id(kept)].x1:
        yield last


def _overlap(labels: list[Any]) -> bool:
    """Whether two neighbouring labels touch."""
    ends = [each.get_window_extent() for each in labels]
    return any(before.x1 + GAP * before.height > after.x0 for before, after in pairwise(ends))
