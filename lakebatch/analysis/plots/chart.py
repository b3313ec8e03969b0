"""Charts as plain values, independent of plotting libraries: panels of marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

MARKED = " *"
"""The end of a category's label that a note explains; it is no part of the name."""

Numbers: TypeAlias = tuple[float | None, ...]


@dataclass(frozen=True)
class Line:
    """Points joined by a line, with intervals where ``low`` and ``high`` are given.

    Attributes
    ----------
    slot : int
        The index of its colour and marker; marks with one name share it.
    band : str
        The name of the band that the intervals are drawn as, without markers; by default they are bars.
    step : bool
        Hold each value until the next.
    ghost : bool
        Draw it dashed and hollow, as the state in the background.
    """

    name: str
    slot: int
    x: tuple[Any, ...]
    y: Numbers
    low: Numbers = ()
    high: Numbers = ()
    band: str = ""
    step: bool = False
    ghost: bool = False


@dataclass(frozen=True)
class Thread:
    """A thin line, such as one patient among many; all of one name share an entry of the legend."""

    slot: int
    x: tuple[float, ...]
    y: tuple[float, ...]
    name: str = ""
    ghost: bool = False


@dataclass(frozen=True)
class Boxes:
    """One box over each category of the x axis that has values."""

    name: str
    slot: int
    values: tuple[tuple[float, ...], ...]
    ghost: bool = False


@dataclass(frozen=True)
class Dots:
    """One point in each row of the y axis, with intervals where ``low`` and ``high`` are given.

    Attributes
    ----------
    muted : bool
        Draw the points grey, since a note says that they mean little.
    """

    name: str
    slot: int
    x: Numbers
    low: Numbers = ()
    high: Numbers = ()
    ghost: bool = False
    muted: bool = False


@dataclass(frozen=True)
class Rule:
    """A straight line across a panel at a value of the x or y axis, with a label."""

    at: float
    axis: str = "x"
    text: str = ""


@dataclass(frozen=True)
class Box:
    """A named node of a diagram."""

    name: str
    x: float
    y: float
    slot: int


@dataclass(frozen=True)
class Arrow:
    """An edge of a diagram: activation ends in an arrow head, inhibition in a bar."""

    start: tuple[float, float]
    end: tuple[float, float]
    up: bool
    curve: float = 0.0


@dataclass(frozen=True)
class Cells:
    """A grid of coloured cells over categories of both axes: rows of values from top to bottom, and their label.

    Attributes
    ----------
    limits : (float, float), optional
        The values of the first and the last colour; by default those of the cells.
    """

    values: tuple[Numbers, ...]
    label: str
    limits: tuple[float, float] | None = None


Series: TypeAlias = Line | Boxes | Dots
Mark: TypeAlias = Series | Thread | Rule | Box | Arrow | Cells


@dataclass(frozen=True)
class Panel:
    """One pair of axes and the marks in it.

    Attributes
    ----------
    x_ticks : tuple of float
        The ticks of the x axis; chosen by the library if empty.
    x_names, y_names : tuple of str
        Categories instead of numbers, at 0, 1, ...; on the y axis from top to bottom.
    x_log : bool
        Make the x axis logarithmic.
    integers_only : bool
        Label the y axis with integers only.
    hide_axes : bool
        Draw no axes.
    """

    marks: tuple[Mark, ...]
    x_label: str = ""
    y_label: str = ""
    title: str = ""
    x_ticks: tuple[float, ...] = ()
    x_names: tuple[str, ...] = ()
    y_names: tuple[str, ...] = ()
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    x_log: bool = False
    integers_only: bool = False
    hide_axes: bool = False

    @property
    def series(self) -> list[Series]:
        """The marks in the legend."""
        return [mark for mark in self.marks if isinstance(mark, Line | Boxes | Dots)]


@dataclass(frozen=True)
class Chart:
    """A chart: its panels, title, caption and notes.

    Attributes
    ----------
    title : str
        Its content in one line.
    caption : str
        The meaning of points, intervals and boxes.
    share : bool
        Give all panels the same axes.
    """

    title: str
    caption: str
    panels: tuple[Panel, ...]
    share: bool = True
    against: str = ""
    notes: tuple[str, ...] = field(default=())

    def description(self) -> str:
        """Return a description of the chart for readers who cannot see it."""
        names = list(dict.fromkeys(mark.name for panel in self.panels for mark in panel.series if mark.name))
        shown = f" It compares {', '.join(names)}." if len(names) > 1 else ""
        return " ".join([f"{self.title}.{shown}", self.caption, *self.notes])


def is_empty(mark: Series) -> bool:
    """Whether a mark is a line without points, which has only its entry in the legend."""
    return isinstance(mark, Line) and all(value is None for value in mark.y)


def points(mark: Series) -> list[float]:
    """Return the values of a series on the axis of the metric, without its intervals."""
    if isinstance(mark, Boxes):
        return [value for each in mark.values for value in each]
    return [value for value in (mark.y if isinstance(mark, Line) else mark.x) if value is not None]


def is_within(panels: Sequence[Panel], name: str) -> bool:
    """Whether a series has a point within the axes, or none at all."""
    shown = [
        ends is None or ends[0] <= value <= ends[1]
        for panel in panels
        for mark in panel.series
        if mark.name == name
        for ends in [panel.x_range if isinstance(mark, Dots) else panel.y_range]
        for value in points(mark)
    ]
    return any(shown) or not shown


def legend_name(chart: Chart, name: str) -> str:
    """Return the name of a series in the legend, which says if the axes leave out all of it."""
    return name if is_within(chart.panels, name) else f"{name} (outside)"


def overlay(chart: Chart, other: Chart, name: str) -> Chart:
    """Return a chart over another of the same kind, whose marks are drawn as ghosts.

    Parameters
    ----------
    name : str
        The name of the other chart in the legend.
    """
    found = {_key(panel): panel for panel in other.panels}
    panels = [_over(panel, found[_key(panel)]) if _key(panel) in found else panel for panel in chart.panels]
    lines = any(isinstance(mark, Line) for panel in panels for mark in panel.marks)
    note = f"Dashed and hollow: {name}, without its intervals." if lines else f"Hollow: {name}."
    return replace(chart, panels=tuple(panels), against=name, notes=(*chart.notes, note))


def _key(panel: Panel) -> tuple[str, str]:
    """Return what tells a panel from the others of its chart."""
    return panel.title, panel.y_label


def _over(panel: Panel, other: Panel) -> Panel:
    slots = {mark.name: mark.slot for mark in panel.series}
    ghosts = [_ghost(mark, slots, other, panel) for mark in other.series]
    ticks = sorted({*panel.x_ticks, *other.x_ticks})
    return replace(panel, marks=(*ghosts, *panel.marks), x_ticks=tuple(ticks))


def _ghost(mark: Series, slots: dict[str, int], old: Panel, new: Panel) -> Series:
    """Return a mark as a ghost, its values in the order of the new panel's categories."""
    mark = replace(mark, ghost=True, slot=slots.get(mark.name, mark.slot))
    if isinstance(mark, Boxes):
        return replace(mark, values=_reordered(mark.values, old.x_names, new.x_names, ()))
    if isinstance(mark, Dots):
        moved: dict[str, Any] = {
            name: _reordered(getattr(mark, name), old.y_names, new.y_names, None)
            for name in ("x", "low", "high")
            if getattr(mark, name)
        }
        return replace(mark, **moved)
    return _line_over(mark, old.x_names, new.x_names)


def _line_over(mark: Line, old: Sequence[str], new: Sequence[str]) -> Line:
    """Return a line over the categories of another panel, without the points of others."""
    if old == new or not old:
        return mark
    kept = [index for index, x in enumerate(mark.x) if old[x] in new]
    columns = {name: getattr(mark, name) for name in ("y", "low", "high")}
    moved: dict[str, Any] = {
        name: tuple(values[index] for index in kept) for name, values in columns.items() if values
    }
    return replace(mark, x=tuple(new.index(old[mark.x[index]]) for index in kept), **moved)


def _reordered(
    values: Sequence[Any], old: Sequence[str], new: Sequence[str], nothing: Any
) -> tuple[Any, ...]:
    found = dict(zip((name.removesuffix(MARKED) for name in old), values, strict=True))
    return tuple(found.get(name.removesuffix(MARKED), nothing) for name in new)
