"""Lakes, runs and differences in notebooks: titled tables of a few kB, escaped, in the colours of the notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any, TypeVar

import polars as pl

from lakebatch._text import excerpt, one_line, to_second

Item = TypeVar("Item")

MAX_ROWS = 20
WIDTH = 60
MAX_REPR = 200
LEFT, RIGHT = (f' style="text-align: {side}"' for side in ("left", "right"))


def section(title: str, frame: pl.DataFrame, width: int = WIDTH, *, newest: bool = False) -> str:
    """Return a titled HTML table of the first or, as ``newest``, the last rows of a frame.

    Every string is escaped and cut to a width in characters; columns without any value are left out.
    """
    shown = frame.tail(MAX_ROWS) if newest else frame.head(MAX_ROWS)
    known = [name for name in shown.columns if not len(shown) or shown[name].null_count() < len(shown)]
    rows = [[cell(each, width) for each in row] for row in shown.select(known).iter_rows()]
    numeric = [shown.schema[name].is_numeric() for name in known]
    left_out = frame.height - shown.height
    more = f"<p>{left_out} {'earlier' if newest else 'more'} rows.</p>" if left_out else ""
    return f"<p><strong>{escape(title)}</strong></p>{table(known, rows, numeric)}{more}"


def cell(value: Any, width: int = WIDTH) -> str:
    """Return a value as text for people.

    >>> cell(None), cell(0.123456789), cell(2598275419114530716), cell(datetime.fromisoformat("2026-11-28T04:07:13.9Z"))
    ('', '0.1235', '2598275419114530716', '2026-11-28 04:07:13Z')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return to_second(value) if isinstance(value, datetime) else excerpt(one_line(str(value)), width)


def sections(frames: Mapping[str, pl.DataFrame]) -> str:
    """Return titled tables, one below the other; an empty one is one line."""
    return "".join(
        f"<p><strong>{escape(title)}</strong>: nothing.</p>" if frame.is_empty() else section(title, frame)
        for title, frame in frames.items()
    )


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    numeric: Sequence[bool] = (),
    max_rows: int = MAX_ROWS,
) -> str:
    """Return an HTML table of strings: the first rows of it, numbers to the right.

    >>> table(["p"], [["< 0.001"]], [True])
    '<table><tr><th style="text-align: right">p</th></tr><tr><td style="text-align: right">&lt; 0.001</td></tr></table>'
    """
    sides = [RIGHT if is_number else LEFT for is_number in numeric] or [LEFT] * len(columns)
    lines = [("th", columns), *(("td", row) for row in rows[:max_rows])]
    cells = (
        "".join(f"<{kind}{side}>{escape(each)}</{kind}>" for each, side in zip(line, sides, strict=True))
        for kind, line in lines
    )
    return f"<table>{''.join(f'<tr>{each}</tr>' for each in cells)}</table>"


def facts(title: str, values: Mapping[str, Any]) -> str:
    """Return a titled table of names and values; those that are None or empty are left out.

    >>> facts("<i>", {"error": None})
    '<p><strong>&lt;i&gt;</strong></p>'
    """
    rows = "".join(
        f"<tr><th{LEFT}>{escape(name)}</th><td{LEFT}>{escape(cell(value, 10 * WIDTH))}</td></tr>"
        for name, value in values.items()
        if value is not None and value != ""
    )
    below = f"<table>{rows}</table>" if rows else ""
    return f"<p><strong>{escape(title)}</strong></p>{below}"


def ways(lead: str, calls: Iterable[str]) -> str:
    """Return a line that names calls.

    >>> ways("Its rows", [".reassemble()"])
    '<p>Its rows: <code>.reassemble()</code></p>'
    """
    return f"<p>{escape(lead)}: {', '.join(f'<code>{escape(each)}</code>' for each in calls)}</p>"


def folded(title: str, text: str, limit: int = 4000) -> str:
    """Return a text that is shown after a click, its beginning if it is long."""
    return f"<details><summary>{escape(title)}</summary><pre>{escape(excerpt(text, limit))}</pre></details>"


def short(text: str) -> str:
    """Return a text in one line, for ``repr``, cut off where it becomes too long.

    >>> len(short("x" * 1000))
    200
    """
    return excerpt(one_line(text), MAX_REPR - len("..."))


class Records(list[Item]):
    """A list that a notebook shows as a table, and whose ``repr`` is one line."""

    def __init__(self, items: Iterable[Item], noun: str, row: Callable[[Item], Mapping[str, Any]]) -> None:
        super().__init__(items)
        self._noun = noun
        self._row = row

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a plain list."""
        return list, (list(self),)

    def __repr__(self) -> str:
        text = one_line(super().__repr__())
        return text if len(text) <= MAX_REPR else f"<{len(self)} {self._noun}, last {self[-1]!s:.100}>"

    def _repr_html_(self) -> str:
        rows = [self._row(each) for each in self[-MAX_ROWS:]]
        left_out = max(0, len(self) - MAX_ROWS)
        more = f", the last {MAX_ROWS}" if left_out else ""
        title = f"{len(self)} {self._noun}{more}"
        return (
            section(title, pl.DataFrame(rows, infer_schema_length=None))
            if rows
            else f"<p>No {self._noun}.</p>"
        )
