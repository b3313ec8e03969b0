"""Metrics of compared assemblies side by side: means with intervals, and shifts between two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakebatch.assembly.metrics import Metric, text_of
from lakebatch.assembly.record import EVERY_STATUS
from lakebatch.snapshot.selection import selection

if TYPE_CHECKING:
    from lakebatch.ui.compared import Compared

Cell = tuple[float, float | None, float | None, int]
"""Mean, low and high end of the 95 % interval, and number of units."""


@dataclass(frozen=True)
class Means:
    """Means of one metric in each assembly.

    Attributes
    ----------
    overall, by_group : list of pairs
        What a row is about, and a cell for each assembly, None where it has no such rows: by the axis alone, and by the
        axis and each group.
    unit : str
        What the intervals are over.
    """

    overall: list[tuple[tuple[str, ...], list[Cell | None]]]
    by_group: list[tuple[tuple[str, ...], list[Cell | None]]]
    columns: tuple[str, ...]
    unit: str


@dataclass(frozen=True)
class ShiftTable:
    """The shifts of one metric between two assemblies, as ``lakebatch diff`` computes them."""

    verdict: str
    caption: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def means(found: Sequence[Compared], metric: Metric | None) -> Means | None:
    """Return the means of a metric in each assembly with rows at the moment; None without a metric."""
    if metric is None:
        return None
    of_all: dict[tuple[str, ...], dict[int, Cell]] = {}
    of_groups: dict[tuple[str, ...], dict[int, Cell]] = {}
    units = dict.fromkeys(_add(each, place, metric, of_all, of_groups) for place, each in enumerate(found))
    first = found[0].snapshot.roles
    columns = (first.axis.label, *(first.word(name) for name in first.groups))
    count = len(found)
    return Means(_rows(of_all, count), _rows(of_groups, count), columns, " or ".join(filter(None, units)))


def _add(
    each: Compared,
    place: int,
    metric: Metric,
    of_all: dict[tuple[str, ...], dict[int, Cell]],
    of_groups: dict[tuple[str, ...], dict[int, Cell]],
) -> str:
    """Add the means of one assembly; return what their intervals are over, nothing without rows."""
    from lakebatch.analysis import statistics  # slow to import
    from lakebatch.analysis.data import read

    moment = each.snapshot.moment
    chosen = selection(moment, include=EVERY_STATUS, assembly=each.assembly.assembly_id, on_mix="ignore")
    if each.snapshot.table() is None or each.is_purged:
        return ""
    data = read(each.snapshot.select(chosen), on_gap="ignore")
    axis, groups = data.roles.axis, [name for name in data.roles.groups if name != "config"]
    rows = data.rows.drop_nulls(axis.name)
    for target, by in ((of_all, []), (of_groups, groups)):
        estimated = statistics.intervals(rows, metric.name, [axis.name, *by], roles=data.roles)
        for row in estimated.iter_rows(named=True):
            key = (text_of(row[axis.name]), *(str(row[name]) for name in by))
            target.setdefault(key, {})[place] = (row["mean"], row["low"], row["high"], row["units"])
    return f"{data.words.unit}s"


def _rows(
    found: dict[tuple[str, ...], dict[int, Cell]], count: int
) -> list[tuple[tuple[str, ...], list[Cell | None]]]:
    return [(key, [cells.get(place) for place in range(count)]) for key, cells in found.items()]


def shifts_of(found: Sequence[Compared], metric: Metric | None) -> ShiftTable | None:
    """Return the shifts between two completed assemblies; None for more or fewer, and without a metric."""
    if metric is None or len(found) != 2:
        return None
    shifts, words, roles = _shifts(found)
    from lakebatch.analysis.shifts import verdict
    from lakebatch.analysis.wording import free

    groups = [roles.axis.name, *roles.groups]
    columns = (
        *tuple(dict.fromkeys(free(name) for name in groups)),
        "before",
        "after",
        "shift",
        "units",
        "p_holm",
    )
    frame = shifts.frame.filter(metric=metric.name)
    said = verdict(shifts.frame, metric.name, shifts.untested, words)
    caption = f"Test: {shifts.test}." if shifts.test else ""  # the verdict says why there is none
    rows = [tuple(map(_text, row)) for row in frame.select(columns).iter_rows()]
    heads = (*(roles.axis.label if name == roles.axis.name else roles.word(name) for name in groups),)
    return ShiftTable(said, caption, (*heads, "first", "second", "shift", "units", "p (Holm)"), rows)


def _shifts(found: Sequence[Compared]) -> Any:
    from lakebatch.analysis import shifts

    roles = found[-1].snapshot.roles
    sides = [shifts.Side(each.snapshot, [each.assembly] if each.has_dataset else [], roles) for each in found]
    compared = shifts.compare(sides[0], sides[1], "ignore")
    return compared, compared.words, roles


def _text(value: Any) -> str:
    if value is None:
        return ""
    return number(value) if isinstance(value, float) else str(value)


def number(value: float) -> str:
    """Return a number with four significant digits.

    >>> number(0.123456), number(1234.5), number(0.0)
    ('0.1235', '1234', '0')
    """
    return f"{value:.4g}"
