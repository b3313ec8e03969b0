"""Positions of marks that share a place: intervals and boxes of several series stand side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from lakebatch.analysis.plots.chart import Boxes, Dots, Line, Mark, Panel, is_empty

DODGE = 0.7
"""Width of all intervals at one level, as a fraction of the smallest step between levels."""
MAX_DODGE = 0.025
"""Maximum distance of two of them, as a fraction of the range of levels: about the width of a marker."""
ROW_SHIFT, ROW_SHARE = 0.16, 0.6
# distance of two points in one row, and of all of them, as fractions of the row


def place(mark: Mark, panel: Panel) -> float:
    """Return the offset of a mark from the middle, in widths of a mark.

    Lines of one name share an offset, boxes of one name are adjacent, and two states of a point are one above the other.
    """
    if isinstance(mark, Line):
        slots = _slots(panel)
        return slots.index(mark.slot) - (len(slots) - 1) / 2 if mark.slot in slots else 0.0
    if isinstance(mark, Dots) and any(each.ghost for each in panel.series):
        return -1.0 if mark.ghost else 1.0
    series = sorted(panel.series, key=lambda each: each.slot)
    return series.index(mark) - (len(series) - 1) / 2 if isinstance(mark, Boxes | Dots) else 0.0


def dodged(x: Sequence[float], panel: Panel, place: float) -> list[float]:
    """Return slightly shifted positions, so that the intervals of several lines do not overlap."""
    ticks = sorted({math.log(each) if panel.x_log else each for each in panel.x_ticks or x})
    steps = [after - before for before, after in pairwise(ticks)]
    share = DODGE * min(steps, default=0.0) / max(len(_slots(panel)), 1)
    shift = min(share, MAX_DODGE * sum(steps))
    if panel.x_log:
        return [value * math.exp(place * shift) for value in x]
    return [value + place * shift for value in x]


def row_shift(mark: Dots, panel: Panel, place: float) -> float:
    """Return the offset of points from the middle of their row, if another series has a point in one of the rows."""
    if not mark.ghost and not _rows_clash(panel):
        return 0.0
    return place * min(ROW_SHIFT, ROW_SHARE / len(panel.series))


def _slots(panel: Panel) -> list[int]:
    return sorted({each.slot for each in panel.series if not is_empty(each)})


def _rows_clash(panel: Panel) -> bool:
    """Whether two marks have a point in one row."""
    taken = [
        index
        for mark in panel.series
        if isinstance(mark, Dots)
        for index, x in enumerate(mark.x)
        if x is not None
    ]
    return len(taken) != len(set(taken))
