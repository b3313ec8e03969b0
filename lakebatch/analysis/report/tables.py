"""Tables of a report with cells as strings, for HTML and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from lakebatch._text import one_line, to_second
from lakebatch.assembly.metrics import Axis, text_of

SMALL_P = 0.001
BETWEEN = "std between cohorts"
LEVELS = Axis()


@dataclass(frozen=True)
class Table:
    """A table: caption, column names, cells, whether each column is numeric, and whether pages show it folded."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    folded: bool = False


def table(frame: pl.DataFrame, caption: str, names: Mapping[str, str], exact: str = "level") -> Table:
    """Return columns of a frame as a table with readable column names.

    Values of the axis, which ``exact`` names, are not rounded.

    >>> table(pl.DataFrame({"p_value": [0.00001, 0.04]}), "Tests", {"p_value": "p"}).rows
    (('< 0.001',), ('0.040',))
    """
    rows = frame.select(*names).iter_rows()
    return Table(
        caption,
        tuple(names.values()),
        tuple(
            tuple(
                _exactly(value) if column == exact else cell(value, column)
                for column, value in zip(names, row, strict=True)
            )
            for row in rows
        ),
        tuple(frame.schema[column].is_numeric() for column in names),
    )


def _exactly(value: Any) -> str:
    return "" if value is None else one_line(text_of(value))


def wide(
    frame: pl.DataFrame,
    caption: str,
    of: str,
    heading: str,
    *,
    axis: Axis = LEVELS,
    unmeasured: Sequence[str] = (),
    units: str = "units",
    between: str = BETWEEN,
) -> Table:
    """Return means with intervals as a table with one row per name and one column per level.

    The last columns are the units and assemblies of the row, and the standard deviation between the means of cohorts.

    Parameters
    ----------
    axis : Axis
        The axis whose values are the columns.
    unmeasured : sequence of str
        Names without any estimate; each gets a row that says so.
    units : str
        What a unit is, as the heading of its column.
    between : str
        The heading of the last column.
    """
    levels = frame[axis.name].unique().sort().to_list()
    found = {(row[of], row[axis.name]): _estimate(row) for row in frame.iter_rows(named=True)}
    rows = [
        (
            cell(name),
            *(found.get((name, level), "") for level in levels),
            *_counts(frame.filter(pl.col(of) == name)),
        )
        for name in frame[of].unique(maintain_order=True).to_list()
    ]
    rows += [(cell(name), *("none" for _ in levels), "0", "0", "") for name in unmeasured]
    columns = (heading, *map(axis.at, levels), units, "assemblies", between)
    return Table(caption, columns, tuple(rows), (False, *(True for _ in columns[1:])))


def _counts(frame: pl.DataFrame) -> tuple[str, str, str]:
    """Return the range of units, assemblies and spread between cohorts over the levels of one row."""
    units, assemblies = (_span(frame[name]) for name in ("units", "assemblies"))
    return units, assemblies, _span(frame["cohort_std"].drop_nulls())


def _span(values: pl.Series) -> str:
    ends = list(dict.fromkeys(cell(each) for each in (values.min(), values.max()) if each is not None))
    return " to ".join(ends)


def cell(value: Any, column: str = "") -> str:
    """Return one value as readable text; nothing for NULL."""
    if value is None:
        return ""
    if column.startswith("p_"):
        return f"< {SMALL_P}" if value < SMALL_P else f"{value:.3f}"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, datetime):
        return to_second(value)
    return one_line(str(value))


def _number(value: float) -> str:
    """Return a number with three decimals, or with three digits if it is large or small.

    >>> [_number(each) for each in (0.0, 0.39, 12.3456, 1234.5678, 0.00012)]
    ['0.000', '0.390', '12.3', '1235', '0.00012']
    """
    size = abs(value)
    if size >= 1000:
        return f"{value:.0f}" if size < 1e7 else f"{value:.2e}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2g}" if 0 < size < 0.001 else f"{value:.3f}"


def _estimate(row: Mapping[str, Any]) -> str:
    mean = cell(row["mean"])
    return mean if row["low"] is None else f"{mean}\n({cell(row['low'])} to {cell(row['high'])})"
