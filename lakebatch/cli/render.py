"""A frame as text: table, CSV, JSON, NDJSON or Markdown."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, Literal, TypeAlias

import polars as pl
from polars import selectors

from lakebatch._text import to_second, visible
from lakebatch.cli.values import as_json, exact, is_finite

Format: TypeAlias = Literal["table", "csv", "json", "ndjson", "markdown"]
WIDE = 100_000
GUTTER = 3
SHORT = 24
"""Longest text that is never broken over lines, such as an assembly's id or a time."""


def render(frame: pl.DataFrame, form: Format, *, most: int | None = None) -> str:
    """Return a frame as text, without a line end.

    ``table`` and ``markdown`` are for people: times in UTC (Z) without fractions, numbers to six digits. The
    other forms lose nothing: durations are ISO 8601, binary is hexadecimal, and NaN and infinity, which JSON
    lacks, are the texts "NaN", "Infinity" and "-Infinity" there. With ``most``, a table shows that many rows
    and says how many it leaves out.

    >>> print(render(pl.DataFrame({"level": [0.0, 0.1], "model": ["a", None]}), "markdown"))
    | level | model |
    |---|---|
    | 0 | a |
    | 0.1 |  |
    """
    if form == "csv":
        return flat(frame).write_csv().removesuffix("\n")
    if form in ("json", "ndjson"):
        return _json(exact(frame), lines=form == "ndjson")
    frame = exact(frame).with_columns(frame.select(selectors.duration()))
    return _markdown(frame) if form == "markdown" else _table(frame, most)


def _json(frame: pl.DataFrame, *, lines: bool) -> str:
    """Return the rows as JSON, one a line or in one list; quickly where polars loses nothing."""
    if all(map(is_finite, frame)):
        return frame.write_ndjson().removesuffix("\n") if lines else frame.write_json()
    named = frame.with_columns(selectors.temporal().cast(pl.String)).iter_rows(named=True)
    rows = [as_json(row, separators=(",", ":")) for row in named]
    return "\n".join(rows) if lines else f"[{','.join(rows)}]"


def _table(frame: pl.DataFrame, most: int | None) -> str:
    shown = frame if most is None else frame.head(most)
    cells = {name: [_cell(value) for value in shown[name].to_list()] for name in shown.columns}
    left_out = frame.height - shown.height
    more = f"\n{left_out} more rows; see them all with --format csv" if left_out else ""
    return _drawn(cells, frame.schema) + more


def _drawn(cells: dict[str, list[str]], schema: pl.Schema) -> str:
    """Return the cells as a table as wide as the terminal; short texts, such as ids, are never broken."""
    from rich.cells import cell_len

    if not cells:
        return ""
    titled = {name: [_cell(name), *column] for name, column in cells.items()}
    widths = {name: max(map(cell_len, column)) for name, column in titled.items()}
    right = {name for name in cells if schema[name].is_numeric()}
    width = _width(widths.values())
    if sum(widths.values()) + GUTTER * (len(widths) - 1) <= width:
        return _aligned(titled, widths, right)
    return _folded(titled, widths, right, width)


def _aligned(cells: dict[str, list[str]], widths: dict[str, int], right: Collection[str]) -> str:
    """Return the cells, a title first in each column, as lines in which none has to be broken."""
    columns = [_padded(column, widths[name], name in right) for name, column in cells.items()]
    head, *lines = ((" " * GUTTER).join(row).rstrip() for row in zip(*columns, strict=True))
    return "\n".join([head, "─" * (sum(widths.values()) + GUTTER * (len(widths) - 1)), *lines])


def _padded(column: list[str], width: int, to_the_right: bool) -> list[str]:
    from rich.cells import cell_len

    blanks = (" " * (width - cell_len(cell)) for cell in column)
    pairs = zip(blanks, column, strict=True)
    return [blank + cell if to_the_right else cell + blank for blank, cell in pairs]


def _folded(cells: dict[str, list[str]], widths: dict[str, int], right: Collection[str], width: int) -> str:
    """Return the cells, a title first in each column, as a table whose long texts are broken over lines."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, (title, *_) in cells.items():
        side: Literal["left", "right"] = "right" if name in right else "left"
        table.add_column(Text(title), justify=side, overflow="fold", min_width=min(widths[name], SHORT))
    for row in zip(*(column[1:] for column in cells.values()), strict=True):
        table.add_row(*map(Text, row))
    text = io.StringIO()
    Console(file=text, width=width).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def _width(widths: Iterable[int]) -> int:
    """Return how wide a table is drawn: as the terminal, but never so narrow that short texts would break."""
    if not sys.stdout.isatty():
        return WIDE
    return max(shutil.get_terminal_size().columns, sum(min(width, SHORT) + GUTTER for width in widths))


def _markdown(frame: pl.DataFrame) -> str:
    rows = [[_plain(_cell(value)) for value in row] for row in (frame.columns, *frame.iter_rows())]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{'---|' * frame.width}", *lines[1:]])


def _plain(text: str) -> str:
    """Return the text with what Markdown would read as the end of a cell, as HTML or as a link escaped."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "\\<").replace("](", "]\\(")


def _cell(value: Any) -> str:
    """Return one value for a person to read; nothing for NULL."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return to_second(value)
    if isinstance(value, list):
        return ", ".join(_cell(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{_cell(key)}: {_cell(each)}" for key, each in value.items())
    return visible(str(value).replace("\n", " "))


def flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with lists and structs as JSON text, and durations and binary as text, since CSV has none."""
    frame = exact(frame)
    lists = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    return frame.with_columns(
        pl.Series(
            name,
            [None if value is None else as_json(value) for value in frame[name].to_list()],
            dtype=pl.String,
        )
        for name in lists
    )


def byte_size(count: float) -> str:
    """Return a number of bytes for a person to read.

    >>> byte_size(1234567)
    '1.2 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
