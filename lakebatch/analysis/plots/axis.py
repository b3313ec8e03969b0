"""The axis of a metric: its possible values, without outliers; and notes on what lies beyond it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from lakebatch.analysis.plots.chart import Boxes, Dots, Line, Panel, Series, is_within
from lakebatch.assembly.metrics import Metric, text_of

Bounds: TypeAlias = tuple[float | None, float | None]
"""The least and the greatest possible value; None where the range is open."""

# Margin of an axis beyond its outermost value that is no outlier, as a fraction of its length
MARGIN = 0.05
# An end whose distance to the quartiles of all ends is larger, in interquartile ranges, is an outlier
FENCE = 3.0
WHISKER = 1.5
MAX_NAMED = 3
# means outside the axis that a caption names


@dataclass(frozen=True)
class Mean:
    """One drawn point: whose it is, and the ends of its interval."""

    name: str
    at: str
    value: float
    low: float
    high: float


def bounds(metric: Metric) -> Bounds:
    """Return the range of possible values of a metric."""
    return metric.minimum, metric.maximum


def difference_bounds(metric: Metric) -> Bounds:
    """Return the range of possible differences of two values of a metric."""
    if metric.minimum is None or metric.maximum is None:
        return None, None
    length = metric.maximum - metric.minimum
    return -length, length


def fit(
    panels: Sequence[Panel], zoom: tuple[float, float] | None, possible: Bounds = (None, None)
) -> tuple[tuple[Panel, ...], tuple[str, ...]]:
    """Return panels of one metric with the same axis, and notes on what it leaves out.

    Intervals end at possible values. The axis leaves out outliers, unless it is given as a zoom.
    """
    cut = [replace(panel, marks=tuple(_cut(mark, possible) for mark in panel.marks)) for panel in panels]
    single = [value for panel in cut for mark in panel.series for value in _values(mark)]
    ends = zoom or limits(*_ends(cut), possible, single)
    name = "x_range" if any(isinstance(mark, Dots) for panel in cut for mark in panel.marks) else "y_range"
    changed: dict[str, Any] = {name: ends}
    fitted = tuple(replace(panel, **changed) for panel in cut)
    notes = (*_cut_note(panels, possible), *(outside_notes(fitted, ends) if ends else ()))
    return fitted, notes


def limits(
    low: Sequence[float],
    high: Sequence[float],
    possible: Bounds = (None, None),
    single: Sequence[float] = (),
) -> tuple[float, float] | None:
    """Return the limits of an axis if some ends of intervals, or single values, are outliers; else None.

    Parameters
    ----------
    low, high : sequences of float
        The ends of the intervals, or the values themselves where there is none.
    single : sequence of float
        Single values, which may lie further out: by the length of the axis without them.
    """
    if not low:
        return None
    bottom = min(low) if possible[0] is not None else max(_fence(low, -1), min(low))
    top = max(high) if possible[1] is not None else min(_fence(high, 1), max(high))
    length = top - bottom
    near = [each for each in single if bottom - length <= each <= top + length]
    if min(low) >= bottom and max(high) <= top and len(near) == len(single):
        return None
    bottom, top = min([bottom, *near]), max([top, *near])
    margin = MARGIN * (top - bottom) or 1.0
    below, above = (margin if end is None else margin / 2 for end in possible)
    return bottom - below, top + above


def outside_notes(panels: Sequence[Panel], ends: tuple[float, float]) -> tuple[str, ...]:
    """Return a note on the means, intervals and single values that lie beyond an axis, if any do."""
    means = [mean for panel in panels for mark in panel.series for mean in _means(mark, panel)]
    outside = [each for each in means if not ends[0] <= each.value <= ends[1]]
    intervals = sum(each.low < ends[0] or each.high > ends[1] for each in means)
    values = [value for panel in panels for mark in panel.series for value in _values(mark)]
    beyond = sum(not ends[0] <= value <= ends[1] for value in values)
    said = [
        *([f"{len(outside)} of {len(means)} points{_named(outside)}"] if outside else []),
        *([f"an end of {intervals} of {len(means)} intervals"] if intervals else []),
        *([f"{beyond} of {len(values)} single values"] if beyond else []),
    ]
    lost = [name for name in _names(panels) if not is_within(panels, name)]
    gone = f" Wholly outside: {', '.join(lost)}." if lost else ""
    return (
        (f"Beyond the axis ({ends[0]:.3g} to {ends[1]:.3g}) lie {' and '.join(said)}.{gone}",) if said else ()
    )


def _named(outside: Sequence[Mean]) -> str:
    """Return which points lie outside, the furthest first."""
    middle = float(np.median([each.value for each in outside]))
    ordered = sorted(outside, key=lambda each: abs(each.value - middle), reverse=True)
    shown = [f"{each.name}{each.at} ({each.value:.3g})" for each in ordered[:MAX_NAMED]]
    more = [f"{len(outside) - MAX_NAMED} more"] if len(outside) > MAX_NAMED else []
    return f" [{', '.join([*shown, *more])}]"


def _names(panels: Sequence[Panel]) -> list[str]:
    return list(dict.fromkeys(mark.name for panel in panels for mark in panel.series if mark.name))


def _cut(mark: Any, possible: Bounds) -> Any:
    """Return a mark whose intervals end at possible values."""
    if not isinstance(mark, Line | Dots) or not mark.low:
        return mark
    return replace(
        mark,
        low=tuple(_clamped(each, possible) for each in mark.low),
        high=tuple(_clamped(each, possible) for each in mark.high),
    )


def _clamped(value: float | None, possible: Bounds) -> float | None:
    low, high = possible
    if value is None:
        return None
    value = value if low is None else max(value, low)
    return value if high is None else min(value, high)


def _cut_note(panels: Sequence[Panel], possible: Bounds) -> tuple[str, ...]:
    """Return a note on the intervals that would hold impossible values."""
    means = [mean for panel in panels for mark in panel.series for mean in _means(mark, panel)]
    low, high = possible
    beyond = [
        [each for each in means if low is not None and each.low < low],
        [each for each in means if high is not None and each.high > high],
    ]
    count = sum(each in beyond[0] or each in beyond[1] for each in means)
    if not count:
        return ()
    ends = [f"{end:g}" for end, cut in zip(possible, beyond, strict=True) if cut]
    where = "the last possible value" if len(ends) == 1 else "the last possible values"
    return (f"{count} of {len(means)} intervals end at {where}, {' and '.join(ends)}.",)


def _ends(panels: Sequence[Panel]) -> tuple[list[float], list[float]]:
    means = [mean for panel in panels for mark in panel.series for mean in _means(mark, panel)]
    boxes = [mark for panel in panels for mark in panel.series if isinstance(mark, Boxes)]
    whiskers = [_whiskers(values) for mark in boxes for values in mark.values if values]
    low = [*(each.low for each in means), *(ends[0] for ends in whiskers)]
    high = [*(each.high for each in means), *(ends[1] for ends in whiskers)]
    return low, high


def _whiskers(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the whiskers of a box, which are its own where rounding leaves no value within them."""
    low, high = np.quantile(values, [0.25, 0.75])
    length = WHISKER * (high - low)
    inside = [each for each in values if low - length <= each <= high + length]
    return min(inside, default=low), max(inside, default=high)


def _fence(values: Sequence[float], sign: int) -> float:
    """Return the value beyond which an end is an outlier."""
    low, high = (float(each) for each in np.quantile(values, [0.25, 0.75]))
    return high + FENCE * (high - low) if sign > 0 else low - FENCE * (high - low)


def _means(mark: Series, panel: Panel) -> Iterable[Mean]:
    if isinstance(mark, Boxes) or mark.ghost:
        return
    numbers = mark.y if isinstance(mark, Line) else mark.x
    for index, value in enumerate(numbers):
        if value is None:
            continue
        low, high = (ends[index] if ends else None for ends in (mark.low, mark.high))
        yield Mean(
            *_place(mark, index, panel), value, value if low is None else low, value if high is None else high
        )


def _place(mark: Line | Dots, index: int, panel: Panel) -> tuple[str, str]:
    """Return the name of a point, and where on the other axis it stands."""
    if isinstance(mark, Dots):
        return panel.y_names[index], ""
    x = mark.x[index]
    at = panel.x_names[round(x)] if panel.x_names else text_of(x)
    return ", ".join(filter(None, [panel.title, mark.name])), f" at {at}"


def _values(mark: Series) -> Iterable[float]:
    if isinstance(mark, Boxes) and not mark.ghost:
        for each in mark.values:
            yield from each
